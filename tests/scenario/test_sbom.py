"""deploy/sbom: a document as SPDX 2.3 wants it, which leaves out nothing that the programs load."""
import json
import os
import re
import subprocess

import jsonschema
import pytest

import farm

PROGRAMS = [farm.binary(f"tracepool-{name}") for name in ("edge", "worker", "monitor")]
# What SPDX 2.3 asks of a document and its packages (clauses 6, 7 and 11), as far as a schema can say it.
IDENTIFIER = {"type": "string", "pattern": "^SPDXRef-[A-Za-z0-9.-]+$"}
LICENCE = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object",
    "required": ["spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "relationships"],
    "properties": {
        "spdxVersion": {"const": "SPDX-2.3"}, "dataLicense": {"const": "CC0-1.0"}, "SPDXID": {"const": "SPDXRef-DOCUMENT"},
        "documentNamespace": {"type": "string", "pattern": "^https://[^#]+$"},
        "creationInfo": {"type": "object", "required": ["created", "creators"], "properties": {
            "created": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
            "creators": {"type": "array", "minItems": 1, "items": {"pattern": "^(Tool|Person|Organization): ."}}}},
        "packages": {"type": "array", "minItems": 10, "items": {
            "type": "object",
            "required": ["SPDXID", "name", "versionInfo", "downloadLocation", "filesAnalyzed", "licenseConcluded", "licenseDeclared",
                         "copyrightText"],
            "properties": {
                "SPDXID": IDENTIFIER, "name": {"type": "string", "minLength": 1}, "versionInfo": {"type": "string", "minLength": 1},
                "filesAnalyzed": {"const": False}, "licenseConcluded": LICENCE, "licenseDeclared": LICENCE,
                "checksums": {"items": {"required": ["algorithm", "checksumValue"], "properties": {
                    "algorithm": {"const": "SHA256"}, "checksumValue": {"pattern": "^[0-9a-f]{64}$"}}}},
                "externalRefs": {"items": {"properties": {"referenceType": {"const": "purl"},
                                                          "referenceLocator": {"pattern": "^pkg:deb/[a-z]+/[^ @]+@[^ @]+$"}}}},
            }}},
        "relationships": {"type": "array", "items": {
            "required": ["spdxElementId", "relationshipType", "relatedSpdxElement"],
            "properties": {"spdxElementId": IDENTIFIER, "relatedSpdxElement": IDENTIFIER,
                           "relationshipType": {"enum": ["DESCRIBES", "DYNAMIC_LINK"]}}}},
    },
}
# Every SPDX licence id that the document may use; another one is to be looked up in SPDX's list first.
LICENCES = set("""MIT curl Zlib ISC PostgreSQL OLDAP-2.8 Apache-2.0 BSD-2-Clause BSD-3-Clause BSD-4-Clause-UC Unicode-DFS-2016
    OpenSSL LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-or-later LGPL-2.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-or-later
    LicenseRef-public-domain NOASSERTION""".split())


def sbom(*arguments, **environment):
    return subprocess.run([farm.ROOT / "deploy/sbom", *arguments], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **environment}).stdout


@pytest.fixture(scope="module")
def document():
    return json.loads(sbom(*PROGRAMS))


def test_the_document_is_spdx(document):
    jsonschema.validate(document, SCHEMA)
    known = [p["SPDXID"] for p in document["packages"]]
    assert len(known) == len(set(known))
    for link in document["relationships"]:
        assert link["relatedSpdxElement"] in known
        assert link["spdxElementId"] in known or link["spdxElementId"] == "SPDXRef-DOCUMENT"
    assert {r["relatedSpdxElement"] for r in document["relationships"] if r["relationshipType"] == "DESCRIBES"} == \
        set(document["documentDescribes"])


def test_each_licence_is_one_that_spdx_knows(document):
    for package in document["packages"]:
        for word in re.split(r" (?:OR|AND|WITH) ", package["licenseDeclared"]):
            assert word in LICENCES | {"GCC-exception-3.1"}, f"{package['name']}: {package['licenseDeclared']}"
    unknown = [p["name"] for p in document["packages"] if p["licenseDeclared"] == "NOASSERTION" and "sourceInfo" in p]
    assert unknown == []


def test_each_library_that_is_loaded_is_in_it(document):
    named = " ".join(p.get("sourceInfo", "") for p in document["packages"])
    for program in PROGRAMS:
        said = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
        libraries = set(re.findall(r"^\s*(\S+) => /", said, re.M))
        assert len(libraries) > 5
        for library in libraries:
            assert re.search(rf"[ ,]{re.escape(library)}(,|$| )", named), library


def test_the_page_of_licences_names_each_direct_library():
    page = (farm.ROOT / "deploy/LICENSES.md").read_text()
    listed = {name: licence for name, licence in re.findall(r"^\| (lib\S+) \| (\S.*?) \|", page, re.M)}
    direct = {}
    for line in sbom("--text", *PROGRAMS).splitlines():
        if line.endswith(" direct"):
            name, _, licence = re.split(r"\s{2,}", line)[:3]
            direct[name] = licence
    assert direct == listed


def test_the_same_programs_give_the_same_document():
    first, second = (sbom(PROGRAMS[0], SOURCE_DATE_EPOCH="1700000000", LC_ALL=locale) for locale in ("C", "C.UTF-8"))
    assert first == second and '"created": "2023-11-14T22:13:20Z"' in first
