"""Throw-away certificates and a throw-away authority, made by the openssl command. A key lies in its certificate's file."""
import subprocess


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def asked_for(folder, stem, subject, *extensions):
    """Key and request of that stem."""
    key, request = folder / f"{stem}.key", folder / f"{stem}.csr"
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={subject}",
            *[word for extension in extensions for word in ("-addext", extension)], "-keyout", key, "-out", request)
    return key, request


def made(folder, stem, key, request, days, *signer):
    file = folder / f"{stem}.pem"
    openssl("x509", "-req", "-in", request, *signer, "-days", days, "-copy_extensions", "copy", "-out", file)
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


def certificate(folder, name, days, by=None):
    """For that host name or IPv4 address; signed by the authority in `by`, otherwise by itself; expired when days is negative."""
    stem = f"{name}-by-{by.stem}" if by else name
    key, request = asked_for(folder, stem, name, f"subjectAltName={'IP' if name.replace('.', '').isdigit() else 'DNS'}:{name}")
    return made(folder, stem, key, request, days, *(["-CA", by, "-CAkey", by] if by else ["-signkey", key]))


def authority(folder, stem="authority"):
    key, request = asked_for(folder, stem, f"{stem} of a test", "basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign")
    return made(folder, stem, key, request, 2, "-signkey", key)
