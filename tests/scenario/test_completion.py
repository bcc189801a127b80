"""bash completes what the programs take: driven through bash's own machinery, with the file as it is installed."""
import subprocess

import pytest

import farm

SCRIPT = farm.BUILD / "deploy" / "tracepool.bash"

# As bash does it: splits the line at blanks and '=', finds the function by `complete -p`, and asks it.
DRIVER = r"""
. "$1"
line=$2
COMP_LINE=$line COMP_POINT=${#line}
COMP_WORDS=() COMP_CWORD=0
word=
for ((i = 0; i < ${#line}; i++)); do
    c=${line:i:1}
    case $c in
    ' ') [ -z "$word" ] || COMP_WORDS+=("$word"); word= ;;
    =) [ -z "$word" ] || COMP_WORDS+=("$word"); COMP_WORDS+=("="); word= ;;
    *) word+=$c ;;
    esac
done
COMP_WORDS+=("$word")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
program=${COMP_WORDS[0]}
[[ $(complete -p "$program") =~ -F\ ([^ ]+) ]] || exit 9
"${BASH_REMATCH[1]}" "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line, cwd="/"):
    done = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", SCRIPT, line], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, cwd=cwd)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [word for word in done.stdout.splitlines() if word]


@pytest.mark.parametrize("line, words", [
    ("tracepool-worker tr", ["trace"]),
    ("tracepool-worker run", ["run-batch"]),
    ("tracepool-monitor ", ["check", "rules", "snapshot"]),
    ("tracepool-edge ", []),
    ("tracepool-worker trace --refe", ["--referrer"]),
    ("tracepool-worker trace --mode ", ["auto", "browser", "http_only"]),
    ("tracepool-worker vast --max", ["--max-wrappers"]),
    ("tracepool-monitor --conf", ["--config"]),
    ("tracepool-edge --edge.dura", ["--edge.durability="]),
    ("tracepool-edge --edge.durability=", ["fsync", "write"]),
    ("tracepool-edge --edge.durability=w", ["write"]),
    ("tracepool-worker --browser.enabled=", ["false", "true"]),
    ("tracepool-monitor --api.tok", ["--api.token_file=", "--api.token_previous_file="]),
    ("tracepool-worker --edge.durability=write tr", ["trace"]),
])
def test_bash_offers(line, words):
    assert sorted(complete(line)) == sorted(words)


def test_bash_offers_files_where_a_file_belongs(tmp_path):
    (tmp_path / "mine.ini").write_text("")
    (tmp_path / "ad.xml").write_text("")
    assert complete("tracepool-edge --config mi", tmp_path) == ["mine.ini"]
    assert complete("tracepool-edge --database.url_file=mi", tmp_path) == ["mine.ini"]
    assert complete("tracepool-worker vast --json a", tmp_path) == ["ad.xml"]


@pytest.mark.parametrize("program", ["edge", "worker", "monitor"])
def test_what_bash_offers_the_program_takes(program):
    """Every option of --help is offered, and no other."""
    helped = subprocess.run([farm.binary(f"tracepool-{program}"), "--help"], stdout=subprocess.PIPE, text=True).stdout
    wanted = {word.split("=")[0] for line in helped.splitlines() for word in line.split()[:1] if word.startswith("--")}
    offered = {word.rstrip("=") for word in complete(f"tracepool-{program} --")}
    assert wanted - {"--section.key", "--dot"} == offered and len(offered) > 50
