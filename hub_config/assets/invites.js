// The pages at the door (sign in, sign up, choose a new password).
"use strict";

(function () {
  const FIELDS = ["code", "username"];
  const KEPT = "radlab-typed";

  function fill(values) {
    FIELDS.forEach(function (name) {
      const input = document.getElementById(name);
      if (input && values[name]) {
        input.value = values[name];
      }
    });
  }

  // A link is /hub/signup#code=...&user=...: what it says moves into the form, and out of the
  // address bar and the history, where others could read it.
  function takeFragment() {
    const said = new URLSearchParams(location.hash.slice(1));
    if (!said.has("code")) {
      return;
    }
    fill({ code: said.get("code"), username: said.get("user") });
    history.replaceState(null, "", location.pathname + location.search);
    const next = document.querySelector("#username") || document.querySelector("#password");
    if (next) {
      next.focus();
    }
  }

  // Choosing the other language shows the page again: what was typed comes back, passwords apart.
  // It waits in this tab's storage for that one moment only.
  function keepTyped() {
    const typed = {};
    FIELDS.forEach(function (name) {
      const input = document.getElementById(name);
      typed[name] = input ? input.value : "";
    });
    sessionStorage.setItem(KEPT, JSON.stringify(typed));
  }

  function bringBackTyped() {
    const typed = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (typed) {
      fill(JSON.parse(typed));
    }
  }

  function warnOfPlainHttp() {
    if (!window.isSecureContext) {
      document.querySelectorAll("[data-radlab-plain-http]").forEach(function (warning) {
        warning.hidden = false;
      });
    }
  }

  bringBackTyped();
  takeFragment();
  warnOfPlainHttp();
  window.addEventListener("hashchange", takeFragment);
  document.querySelectorAll("[data-radlab-language]").forEach(function (button) {
    button.addEventListener("click", keepTyped, { capture: true });
  });
})();
