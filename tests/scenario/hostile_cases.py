"""What test_edge_hostile.py sends: bytes as they go over the wire, and the statuses that must come back.

CASES: (group, name, bytes, statuses). Behind each case goes one plain GET /healthz with `Connection: close`: [302, 200] means
that the case was answered 302 and the connection lived on; [400] that it was refused and nothing behind it was read. A
server that reads a request's end elsewhere than its front proxy does gives itself away by one answer too many.

LOCATIONS: (group, name, query, Location): one click each, by GET.
"""

PATH = b"/functions/v1/track-hit-instant"
CLICK = PATH + b"?offer=o"
HOST = b"Host: e\r\n"
HIDDEN = b"GET " + PATH + b"?offer=o&smuggled=1 HTTP/1.1\r\nHost: e\r\n\r\n"


def get(target=CLICK, headers=HOST, version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + headers + b"\r\n"


def post(headers, body=b""):
    return b"POST " + CLICK + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body


CASES = [
    # --- what is right stays right
    ("baseline", "a click", get(), [302, 200]),
    ("baseline", "HEAD", b"HEAD " + CLICK + b" HTTP/1.1\r\n" + HOST + b"\r\n", [302, 200]),
    ("baseline", "POST without body", post(b"Content-Length: 0\r\n"), [302, 200]),
    ("baseline", "POST with body", post(b"Content-Length: 5\r\n", b"a=b&c"), [302, 200]),
    ("baseline", "two in one breath", get() + get(), [302, 302, 200]),
    ("baseline", "ten in one breath", get() * 10, [302] * 10 + [200]),
    ("baseline", "HTTP/1.0 without Host", get(headers=b"", version=b"HTTP/1.0"), [302]),
    ("baseline", "HTTP/1.0 keep-alive", get(headers=b"Connection: keep-alive\r\n", version=b"HTTP/1.0"), [302, 200]),
    ("baseline", "Connection: close", get(headers=HOST + b"Connection: close\r\n"), [302]),
    ("baseline", "one empty line before", b"\r\n" + get(), [302, 200]),
    ("baseline", "header names in any case", get(headers=b"hOsT: e\r\n"), [302, 200]),
    ("baseline", "a value with 8-bit bytes", get(headers=HOST + b"User-Agent: caf\xe9\r\n"), [302, 200]),
    ("baseline", "Host with port", get(headers=b"Host: e:8080\r\n"), [302, 200]),
    ("baseline", "Host an IPv6 address", get(headers=b"Host: [::1]:80\r\n"), [302, 200]),
    ("baseline", "unknown offer", get(PATH + b"?offer=none"), [404, 200]),
    ("baseline", "no offer", get(PATH), [400, 200]),
    ("baseline", "PUT", b"PUT " + CLICK + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", [405]),
    ("baseline", "OPTIONS", b"OPTIONS " + CLICK + b" HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    ("baseline", "TRACE", b"TRACE " + CLICK + b" HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    ("baseline", "CONNECT", b"CONNECT e:80 HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    ("baseline", "a method nobody knows", b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", [501]),
    # --- where does a request end?
    ("smuggling", "Content-Length and chunked", post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN), [400]),
    ("smuggling", "chunked and Content-Length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + HIDDEN), [400]),
    ("smuggling", "chunked alone", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN), [400]),
    ("smuggling", "chunked, spelled oddly", post(b"Transfer-Encoding: xchunked\r\n", HIDDEN), [400]),
    ("smuggling", "chunked with a tab", post(b"Transfer-Encoding:\tchunked\r\n", HIDDEN), [400]),
    ("smuggling", "identity", post(b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n", HIDDEN), [400]),
    ("smuggling", "blank before the colon", post(b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n", HIDDEN), [400]),
    ("smuggling", "blank before Content-Length's colon", post(b"Content-Length : 0\r\n", HIDDEN), [400]),
    ("smuggling", "chunked on GET", get(headers=HOST + b"Transfer-Encoding: chunked\r\n") + HIDDEN, [400]),
    ("smuggling", "two Content-Length", post(b"Content-Length: 0\r\nContent-Length: 5\r\n", HIDDEN), [400]),
    ("smuggling", "two equal Content-Length", post(b"Content-Length: 0\r\nContent-Length: 0\r\n", HIDDEN), [400]),
    ("smuggling", "a list of lengths", post(b"Content-Length: 0, 0\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length with a plus", post(b"Content-Length: +0\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length negative", post(b"Content-Length: -1\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length hexadecimal", post(b"Content-Length: 0x0\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length empty", post(b"Content-Length:\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length with a word", post(b"Content-Length: 0 bytes\r\n", HIDDEN), [400]),
    ("smuggling", "Content-Length over 64 bits", post(b"Content-Length: 18446744073709551616\r\n", HIDDEN), [413]),
    ("smuggling", "POST without Content-Length", post(b"", HIDDEN), [411]),
    ("smuggling", "GET with a body", get(headers=HOST + b"Content-Length: %d\r\n" % len(HIDDEN)) + HIDDEN, [400]),
    ("smuggling", "HEAD with a body", b"HEAD " + CLICK + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", [400]),
    ("smuggling", "bare LF", b"GET " + CLICK + b" HTTP/1.1\nHost: e\n\n", [400]),
    ("smuggling", "bare LF in one header", get(headers=HOST + b"A: b\nContent-Length: 9\r\n"), [400]),
    ("smuggling", "bare CR in a value", get(headers=HOST + b"A: b\rContent-Length: 9\r\n"), [400]),
    ("smuggling", "CR CR LF", get(headers=b"Host: e\r\r\n"), [400]),
    ("smuggling", "NUL in a value", get(headers=HOST + b"A: b\x00c\r\n"), [400]),
    ("smuggling", "NUL in a name", get(headers=HOST + b"A\x00: b\r\n"), [400]),
    ("smuggling", "a folded line", get(headers=HOST + b"A: b\r\n c\r\n"), [400]),
    ("smuggling", "a folded first header", get(headers=b" A: b\r\n" + HOST), [400]),
    ("smuggling", "an empty name", get(headers=HOST + b": b\r\n"), [400]),
    ("smuggling", "a header without colon", get(headers=HOST + b"nonsense\r\n"), [400]),
    ("smuggling", "a blank in a name", get(headers=HOST + b"A B: c\r\n"), [400]),
    ("smuggling", "a parenthesis in a name", get(headers=HOST + b"A(): c\r\n"), [400]),
    ("smuggling", "8 bits in a name", get(headers=HOST + b"\xc3\xa9: c\r\n"), [400]),
    ("smuggling", "no Host", get(headers=b""), [400]),
    ("smuggling", "two Host", get(headers=HOST + HOST), [400]),
    ("smuggling", "Host with a path", get(headers=b"Host: e/x\r\n"), [400]),
    ("smuggling", "Host with a user", get(headers=b"Host: a@e\r\n"), [400]),
    ("smuggling", "Host empty", get(headers=b"Host:\r\n"), [400]),
    ("smuggling", "Host with a comma", get(headers=b"Host: a, b\r\n"), [400]),
    ("smuggling", "HTTP/0.9", b"GET " + CLICK + b"\r\n", [400]),
    ("smuggling", "HTTP/2.0", get(version=b"HTTP/2.0"), [505]),
    ("smuggling", "HTTP/1.2", get(version=b"HTTP/1.2"), [505]),
    ("smuggling", "http/1.1", get(version=b"http/1.1"), [400]),
    ("smuggling", "HTTP/1.1 and more", get(version=b"HTTP/1.1 x"), [400]),
    ("smuggling", "HTTP/1.10", get(version=b"HTTP/1.10"), [400]),
    ("smuggling", "two blanks", b"GET  " + CLICK + b" HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("smuggling", "a tab for a blank", b"GET\t" + CLICK + b" HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    ("smuggling", "a blank before the method", b" " + get(), [400]),
    ("smuggling", "two empty lines before", b"\r\n\r\n" + get(), [400]),
    ("smuggling", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    ("smuggling", "an upgrade to h2c is not made", get(headers=HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
     [302, 200]),
    ("smuggling", "a hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    ("smuggling", "a PROXY line", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), [400]),
    ("smuggling", "an expectation nobody has", post(b"Content-Length: 1\r\nExpect: wonders\r\n", b"x"), [417]),
    ("smuggling", "rubbish", bytes(range(256)), [400]),
    # --- too much
    ("bombs", "a target of 20 kB", get(CLICK + b"&x=" + b"a" * 20000), [414]),
    ("bombs", "a header of 20 kB", get(headers=HOST + b"A: " + b"a" * 20000 + b"\r\n"), [431]),
    ("bombs", "a thousand headers", get(headers=HOST + b"A: b\r\n" * 1000), [431]),
    ("bombs", "65 headers", get(headers=HOST + b"A: b\r\n" * 64), [431]),
    ("bombs", "64 headers", get(headers=HOST + b"A: b\r\n" * 63), [302, 200]),
    ("bombs", "a body of 10 MB", post(b"Content-Length: 10485760\r\n", b"x" * 4096), [413]),
    ("bombs", "a body over the limit by one", post(b"Content-Length: 8193\r\n", b"x" * 8193), [413]),
    ("bombs", "a body at the limit", post(b"Content-Length: 8192\r\n", b"x" * 8192), [302, 200]),
    ("bombs", "five thousand parameters", get(CLICK + b"&a=" * 5000), [400, 200]),
    ("bombs", "five thousand empty parameters", get(CLICK + b"&" * 5000), [302, 200]),
    ("bombs", "a Location over its limit", get(CLICK + b"&x=" + b"a" * 8190), [400, 200]),
    ("bombs", "placeholders that grow", get(PATH + b"?offer=holes&sub=" + b"%80" * 3000), [400, 200]),
    ("bombs", "a hundred in one breath", get() * 100, [302] * 100 + [200]),
    # --- whose word is it?
    ("trust", "X-Forwarded-Host is nobody", get(headers=HOST + b"X-Forwarded-Host: evil.example\r\n"), [302, 200]),
    ("trust", "Host does not reach a Location", get(headers=b"Host: evil.example\r\n"), [302, 200]),
    ("trust", "X-Original-URL moves nothing", get(headers=HOST + b"X-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\n"), [302, 200]),
    ("trust", "a method is not overridden", get(headers=HOST + b"X-HTTP-Method-Override: PUT\r\n"), [302, 200]),
    ("trust", "a forged country", get(headers=HOST + b"CF-IPCountry: KP\r\n"), [302, 200]),
    ("trust", "a country with a line end", get(headers=HOST + b"CF-IPCountry: DE\rX: y\r\n"), [400]),
    ("trust", "an X-Forwarded-For of nonsense", get(headers=HOST + b"X-Forwarded-For: " + b",\xff" * 200 + b"\r\n"), [302, 200]),
    ("trust", "metrics are not here", get(b"/metrics"), [404, 200]),
    ("trust", "debug without a token", get(CLICK + b"&debug=1", HOST + b"Authorization: Bearer x\r\n"), [302, 200]),
    # --- which path is it?
    ("path", "dot segments", get(b"/x/../functions/v1/track-hit-instant?offer=o"), [400]),
    ("path", "escaped dot segments", get(b"/x/%2e%2e/functions/v1/track-hit-instant?offer=o"), [400]),
    ("path", "dots behind", get(PATH + b"/..?offer=o"), [400]),
    ("path", "an escaped slash", get(b"/functions%2fv1/track-hit-instant?offer=o"), [404, 200]),
    ("path", "an escaped letter", get(b"/functions/v1/track-hit-%69nstant?offer=o"), [404, 200]),
    ("path", "two slashes", get(b"//functions/v1/track-hit-instant?offer=o"), [404, 200]),
    ("path", "a slash behind", get(PATH + b"/?offer=o"), [404, 200]),
    ("path", "capitals", get(PATH.upper() + b"?offer=o"), [404, 200]),
    ("path", "an escaped NUL", get(PATH + b"%00?offer=o"), [400]),
    ("path", "a broken escape", get(PATH + b"%zz?offer=o"), [400]),
    ("path", "a parameter of the path", get(PATH + b";x?offer=o"), [404, 200]),
    ("path", "absolute form", get(b"http://e" + CLICK), [400]),
    ("path", "authority form", get(b"e:80"), [400]),
    ("path", "an asterisk", get(b"*"), [400]),
    ("path", "a fragment", get(CLICK + b"#x"), [400]),
    ("path", "8 bits in the path", get(PATH + b"\xc3\xa9?offer=o"), [400]),
    ("path", "8 bits in the query", get(CLICK + b"&x=\xc3\xa9"), [400]),
    ("path", "a control byte in the query", get(CLICK + b"&x=\x01"), [400]),
    ("path", "DEL in the query", get(CLICK + b"&x=\x7f"), [400]),
]

OWN = "https://t.example/c"

LOCATIONS = [
    ("location", "an escaped line end", "offer=o&x=%0d%0aSet-Cookie:%20a=b", OWN + "?x=%0d%0aSet-Cookie:%20a=b"),
    ("location", "an escaped line end in a name", "offer=o&%0d%0aX=1", OWN + "?%0d%0aX=1"),
    ("location", "an escaped line end for a placeholder", "offer=holes&sub=%0d%0aX:1", "https://t.example/%0D%0AX%3A1?s=%0D%0AX%3A1"),
    ("location", "NUL", "offer=o&x=%00", OWN + "?x=%00"),
    ("location", "invalid UTF-8", "offer=o&x=%ff%fe", OWN + "?x=%ff%fe"),
    ("location", "broken escapes", "offer=o&x=%&y=%4", OWN + "?x=%&y=%4"),
    ("location", "escapes twice", "offer=o&x=%250d%250a", OWN + "?x=%250d%250a"),
    ("location", "dots for a placeholder", "offer=holes&sub=..%2f..%2fadmin", "https://t.example/..%2F..%2Fadmin?s=..%2F..%2Fadmin"),
    ("location", "another host for a placeholder", "offer=holes&sub=%2f%2fevil.example", "https://t.example/%2F%2Fevil.example?s=%2F%2Fevil.example"),
    ("location", "a user for a placeholder", "offer=holes&sub=@evil.example", "https://t.example/%40evil.example?s=%40evil.example"),
    ("location", "a placeholder for a placeholder", "offer=holes&sub=%7Bsub%7D", "https://t.example/%7Bsub%7D?s=%7Bsub%7D"),
    ("location", "no end of equals signs", "offer=o&a==b=", OWN + "?a==b="),
    ("location", "two offers", "offer=o&offer=hosts", OWN),
] + [("open redirect", target, "offer=hosts&redirection_url=" + target, "https://t.example/") for target in (
    "https://evil.example/", "//evil.example/", "https:evil.example", "https:/%5Cevil.example", "%5C%5Cevil.example", "/%5Cevil.example",
    "https://shop.example@evil.example/", "https://evil.example%23@shop.example.evil.example/", "https://shop.example.evil.example/",
    "https://evil-shop.example/", "https://xshop.example/", "javascript:alert(1)", "data:text/html,x", "ftp://shop.example/", "file:///etc/passwd",
    "https://evil.example%00.shop.example/", "https://evil.example%5C.shop.example/", "https://evil.example%0d%0a/", "",
    "%20https://evil.example/", "https://evil.example:443%40shop.example/", "http://[::1]/", "https://shop.example:8443@evil.example/",
    "https://shop.example%252f.evil.example/", "shop.example", "/relative", "?x", "%68ttps://evil.example/",
)] + [
    ("open redirect", "an allowed host", "offer=hosts&redirection_url=https://shop.example/p", "https://shop.example/p"),
    ("open redirect", "capitals", "offer=hosts&redirection_url=HTTPS://SHOP.EXAMPLE/p", "https://shop.example/p"),
    ("open redirect", "an allowed host, escaped", "offer=hosts&redirection_url=https://shop%2eexample%2fp", "https://shop.example/p"),
    ("open redirect", "the first counts", "offer=hosts&redirection_url=https://shop.example/&redirection_url=https://evil.example/", "https://shop.example/"),
    ("open redirect", "no hosts, no target", "offer=o&redirection_url=https://shop.example/", OWN),
    ("open redirect", "a name beside it", "offer=hosts&url=https://evil.example/", "https://t.example/?url=https://evil.example/"),
]
