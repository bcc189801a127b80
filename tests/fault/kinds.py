"""What each kind of fault does, by its name; the files fault_*.py put theirs in."""
KINDS = {}


def kind(name):
    def add(function):
        KINDS[name] = function
        return function
    return add
