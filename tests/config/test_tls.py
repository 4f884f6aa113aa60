"""TLS in REDIS_URL and CELERY_BROKER_URL: all is verified, and what cannot work is refused at the start."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.exceptions import ImproperlyConfigured

from config.servers import broker, cache
from tests.faults.certificates import Authority


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqps://:sesame@one;amqp://:sesame@two", "either each node has TLS (amqps://)"),
        ("amqps://:sesame@one?ssl_cert_reqs=none;amqps://:sesame@two", "either each node has TLS"),
        ("amqps://:sesame@one?ssl_cert_reqs=none&ssl_cert_reqs=required", "gives an option twice"),
        ("amqp://:sesame@one?ssl_cert_reqs=none", "but no TLS. Begin it with amqps://"),
        ("amqps://:sesame@one?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs= must be required or none"),
        ("amqp://:sesame@one/v?ssl=true", "but no TLS. Begin it with amqps://"),
        ("amqps://:sesame@one/v?ssl=false", "the TLS options of a URL are ssl_ca_certs, "),
        ("amqps://:sesame@one/v?ssl_ca_cert=/ca.pem", "the TLS options of a URL are ssl_ca_certs, "),
        ("rediss://:sesame@one/0?ssl_ca_path=/etc/ssl", "the TLS options of a URL are ssl_ca_certs, "),
    ],
)
def test_tls_of_rabbitmq_is_spelled_as_that_of_redis(url, words):
    with pytest.raises(ImproperlyConfigured) as caught:
        broker(url)
    assert words in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_with_tls_all_is_verified_unless_a_word_says_otherwise(tmp_path):
    """Of the store and of the queues, by the same words."""
    ca = Authority(tmp_path).file
    for url in ("rediss://one/0", "rediss+sentinel://one/mymaster/0"):
        for query, expected in (
            ("", ("required", True, None)),
            (f"?ssl_ca_certs={ca}", ("required", True, str(ca))),
            ("?ssl_check_hostname=false", ("required", False, None)),
            ("?ssl_cert_reqs=none", ("none", False, None)),
        ):
            names = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs")
            stored = cache(url + query, connections=7)["OPTIONS"]
            queued = broker(url + query)
            found = [stored["CONNECTION_POOL_KWARGS"], queued["CELERY_BROKER_USE_SSL"]]
            if "sentinel" in url:
                found += [
                    stored["SENTINEL_KWARGS"],
                    queued["CELERY_BROKER_TRANSPORT_OPTIONS"]["sentinel_kwargs"],
                ]
                assert found[2]["ssl"] is found[3]["ssl"] is True
            assert [tuple(map(options.get, names)) for options in found] == [expected] * len(found)
            assert "ssl_" not in queued["CELERY_BROKER_URL"]
    assert broker("amqps://one")["CELERY_BROKER_USE_SSL"]["cert_reqs"] == ssl.CERT_REQUIRED


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> dict[str, Path]:
    """Files for TLS, by what is right or wrong with them."""
    directory = tmp_path_factory.mktemp("pem")
    known = Authority(directory / "known")
    ours, key = known.issue("ours.test")
    _, another_key = known.issue("another.test")
    made = serialization.load_pem_private_key(key.read_bytes(), None)
    sealed, text = directory / "sealed.key", directory / "text.pem"
    sealed.write_bytes(
        made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"sesame"),
        )
    )
    text.write_text("sesame")
    return {
        "ca": known.file,
        "ours": ours,
        "key": key,
        "another": another_key,
        "sealed": sealed,
        "text": text,
    }


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("ssl_ca_certs={text}", "ssl_ca_certs= must name a file with a CA in PEM"),
        ("ssl_ca_certs={key}", "ssl_ca_certs= must name a file with a CA in PEM"),
        ("ssl_keyfile={key}", "ssl_keyfile= needs the certificate, by ssl_certfile=/path"),
        ("ssl_certfile={ours}", "must name a certificate in PEM and its key"),
        ("ssl_certfile={ours}&ssl_keyfile={another}", "must name a certificate in PEM and its key"),
        ("ssl_certfile={text}&ssl_keyfile={key}", "must name a certificate in PEM and its key"),
        ("ssl_certfile={ours}&ssl_keyfile={sealed}", "must not have a passphrase"),
    ],
)
def test_a_file_that_tls_cannot_use_is_named_at_the_start(pem, query, words):
    """Or each connection would fail, and the server would seem to be away."""
    for read in (broker, partial(cache, connections=7)):
        with pytest.raises(ImproperlyConfigured, match=r"^(REDIS|CELERY_BROKER)_URL: ") as caught:
            read(f"rediss://:sesame@one/0?{query.format(**pem)}")
        assert words in str(caught.value)
        assert "sesame" not in str(caught.value)
        assert "/" not in str(caught.value).replace("=/path", "")
    broker("amqps://one?ssl_ca_certs={ca}&ssl_certfile={ours}&ssl_keyfile={key}".format(**pem))


@pytest.mark.parametrize(
    "url", ["rediss://one/0", "rediss+sentinel://one/mymaster/0", "amqps://one", "amqps://one;two"]
)
def test_a_scheme_in_capitals_is_verified_as_well(url):
    """kombu reads a scheme in any case, and accepts any certificate if no option speaks of TLS."""
    scheme, _, rest = url.partition("://")
    assert broker(f"{scheme.upper()}://{rest}") == broker(url)
    if "redis" in scheme:
        assert cache(f"{scheme.title()}://{rest}", connections=7)["LOCATION"].startswith("redis")
