"""A student without a browser: signs in to a Hub over HTTP, starts a server and stops it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import httpx


class Student:
    """One person at one Hub; `start` gives seconds from click to JupyterLab ready."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        # The platform on this machine, whose certificate names the address that people type.
        self.http = httpx.Client(base_url=address, follow_redirects=True, timeout=180, verify=False)

    def send(self, path: str, fields: Mapping[str, str]) -> httpx.Response:
        """Open the page of a form, then send it."""
        page = self.http.get(path)
        page.raise_for_status()
        answer = self.http.post(path, data={"_xsrf": self._xsrf(), **fields})
        answer.raise_for_status()
        return answer

    def start(self, fields: Mapping[str, str] | None, timeout_s: float = 300) -> float:
        """Click start; returns when JupyterLab's page is served. Seconds.

        `fields` are those of the launch page's button; a Hub without options (None) has no launch
        page, and starts when its address is opened.
        """
        if fields is not None:
            self.http.get("/hub/spawn").raise_for_status()
        clicked = time.perf_counter()
        if fields is None:
            answer = self.http.get("/hub/spawn", follow_redirects=False)
        else:
            sent = {"_xsrf": self._xsrf(), **fields}
            answer = self.http.post("/hub/spawn", data=sent, follow_redirects=False)
        assert answer.status_code in (302, 303), (answer.status_code, answer.text[-2000:])
        while time.perf_counter() - clicked < timeout_s:
            page = self.http.get(f"/user/{self.name}/lab")
            # The Hub answers for a server that is not there yet with pages of its own.
            if page.status_code == 200 and "jupyter-config-data" in page.text:
                return time.perf_counter() - clicked
            time.sleep(0.05)
        raise TimeoutError(f"{self.name}'s server was not ready within {timeout_s} s: {page.text}")

    def stop(self, timeout_s: float = 60) -> None:
        """Stop the server and wait until the Hub knows that it is gone."""
        self.http.get("/hub/home")
        path = f"/hub/api/users/{self.name}/server"
        headers = {"X-XSRFToken": self._xsrf()}
        self.http.delete(path, headers=headers).raise_for_status()
        begun = time.perf_counter()
        while time.perf_counter() - begun < timeout_s:
            user = self.http.get(f"/hub/api/users/{self.name}", headers=headers)
            if user.status_code == 200 and not user.json()["servers"]:
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.name}'s server did not stop within {timeout_s} s")

    def _xsrf(self) -> str:
        found = [c.value for c in self.http.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"]
        assert found, "the Hub gave no XSRF cookie"
        return re.sub(r"[^\w|=+/:.-]", "", str(found[0]))
