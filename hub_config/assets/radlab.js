// What RadLab's pages do in the browser, each asked for by a data attribute. No library needed.
"use strict";

(function () {
  const YEAR = 365 * 24 * 3600;

  function each(selector, action) {
    document.querySelectorAll(selector).forEach(action);
  }

  // data-radlab-language="zh_CN": remember the language for all of RadLab, show the page again.
  function chooseLanguage(button) {
    button.addEventListener("click", function () {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = "radlab-language=" + button.dataset.radlabLanguage +
        "; Path=/; SameSite=Lax; Max-Age=" + YEAR + secure;
      // A page that answered a POST would ask to post again: go to its address instead.
      location.replace(location.pathname + location.search + location.hash);
      if (location.hash) {
        location.reload();
      }
    });
  }

  // <time datetime="..." data-radlab-time="time|date|datetime">: the browser's own clock and zone.
  function showTime(element) {
    const moment = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(moment.getTime())) {
      return;
    }
    const day = { year: "numeric", month: "short", day: "numeric" };
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const today = new Date().toDateString() === moment.toDateString();
    const kind = element.dataset.radlabTime;
    const parts = kind === "date" ? day
      : kind === "time" && today ? clock
      : Object.assign({}, day, clock);
    const language = (document.documentElement.lang || "en").replace("_", "-");
    element.title = element.getAttribute("datetime");
    element.textContent = new Intl.DateTimeFormat(language, parts).format(moment);
  }

  // data-radlab-copy="#id": put that element's text on the clipboard, and say so.
  function copyText(button) {
    button.addEventListener("click", function () {
      const source = document.querySelector(button.dataset.radlabCopy);
      const said = button.dataset.radlabCopied || button.textContent;
      const done = function () {
        button.textContent = said;
      };
      if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(source.textContent.trim()).then(done);
        return;
      }
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (document.execCommand("copy")) {
        done();
      }
    });
  }

  // data-radlab-show="#password": show or hide what is typed there.
  function showPassword(button) {
    button.addEventListener("click", function () {
      const input = document.querySelector(button.dataset.radlabShow);
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      button.setAttribute("aria-pressed", String(!shown));
    });
  }

  // form[data-radlab-busy]: a second click cannot send it twice, and the button turns.
  function sendOnce(form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.radlabSent) {
        event.preventDefault();
        return;
      }
      form.dataset.radlabSent = "1";
      const button = event.submitter;
      if (button) {
        button.setAttribute("aria-busy", "true");
        if (button.dataset.radlabBusyText) {
          button.textContent = button.dataset.radlabBusyText;
        }
      }
    });
  }

  // data-radlab-confirm="Question": ask before sending a form.
  function askFirst(form) {
    form.addEventListener("submit", function (event) {
      if (!window.confirm(form.dataset.radlabConfirm)) {
        event.stopImmediatePropagation();
        event.preventDefault();
      }
    });
  }

  // data-radlab-reload="5": show this page again after so many seconds.
  function reloadLater(element) {
    setTimeout(function () {
      location.reload();
    }, 1000 * Number(element.dataset.radlabReload));
  }

  // A part of a page that was filled again says so, and gets its times shown.
  document.addEventListener("radlab:filled", function (event) {
    event.target.querySelectorAll("[data-radlab-time]").forEach(showTime);
  });

  function begin() {
    each("[data-radlab-language]", chooseLanguage);
    each("[data-radlab-time]", showTime);
    each("[data-radlab-copy]", copyText);
    each("[data-radlab-show]", showPassword);
    each("form[data-radlab-confirm]", askFirst);
    each("form[data-radlab-busy]", sendOnce);
    each("[data-radlab-reload]", reloadLater);
  }

  // The browser's Back button restores a page with its form still marked as sent.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) {
      location.reload();
    }
  });

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", begin);
  } else {
    begin();
  }
})();
