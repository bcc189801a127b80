"""Throw-away certificates, made by the openssl command."""
import subprocess


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def certificate(folder, name, days):
    """A self-signed certificate, expired when days is negative; its key lies in the same file."""
    file, key, request = (folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-signkey", key, "-days", days, "-copy_extensions", "copy", "-out", file)
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file
