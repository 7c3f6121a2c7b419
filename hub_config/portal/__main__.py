"""`python -m hub_config.portal`: serve the portal on loopback, where only the proxy reaches it."""

from __future__ import annotations

import logging

import uvicorn

from hub_config.portal.app import create_app
from hub_config.settings import load_settings


def main() -> None:
    """Serve until stopped; X-Forwarded headers are believed from loopback alone."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # httpx logs every URL that it asks for; the bell would fill the log with them.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load_settings()
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.portal_port,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        # uvicorn's access log has query strings, and the sign-in's has a one-time code.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        log_config=None,
    )


if __name__ == "__main__":
    main()
