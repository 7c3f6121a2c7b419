// The portal's own part: what is running stays up to date without a reload.
"use strict";

(function () {
  const EVERY = 10000;
  const parts = document.querySelectorAll("[data-portal-live]");
  const xsrf = document.querySelector('meta[name="radlab-xsrf"]');
  if (!parts.length || !xsrf) {
    return;
  }

  const TO_PRESS = ["a", "button", "input", "select", "summary"];

  // Whoever is about to press something there must not have it move away.
  function inUse(part) {
    const pointed = TO_PRESS.map(function (tag) {
      return tag + ":hover";
    });
    return part.contains(document.activeElement) || part.querySelector(pointed.join()) !== null;
  }

  function put(page) {
    parts.forEach(function (part) {
      const fresh = page.getElementById(part.id);
      if (fresh && !inUse(part)) {
        part.innerHTML = fresh.innerHTML;
        part.dispatchEvent(new Event("radlab:filled", { bubbles: true }));
      }
    });
  }

  function ask() {
    if (document.hidden) {
      return Promise.resolve();
    }
    return fetch(location.href, {
      headers: { "X-XSRFToken": xsrf.content },
      credentials: "same-origin",
      redirect: "error",
    }).then(function (response) {
      // Signed out, or the Hub is down: what is shown stays, with the times that it has.
      return response.ok ? response.text() : "";
    }).then(function (html) {
      if (html) {
        put(new DOMParser().parseFromString(html, "text/html"));
      }
    });
  }

  function again() {
    ask().catch(function () {}).then(function () {
      setTimeout(again, EVERY);
    });
  }

  setTimeout(again, EVERY);
})();
