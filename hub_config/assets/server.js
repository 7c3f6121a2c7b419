// "My server" and the pending page: stop by the Hub's REST API, and follow a start as it goes.
"use strict";

(function () {
  const card = document.querySelector("[data-stop]");
  const button = document.getElementById("stop-server");
  let events = null;
  if (!card) {
    return;
  }

  function stop() {
    if (card.dataset.question && !window.confirm(card.dataset.question)) {
      return;
    }
    const label = button.textContent;
    if (events) {
      events.close(); // what the start still says is no longer of interest
    }
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    button.textContent = card.dataset.stopping;
    card.querySelectorAll("a.rl-button").forEach(function (link) {
      link.hidden = true;
    });
    fetch(card.dataset.stop, {
      method: "DELETE",
      headers: { "X-XSRFToken": card.dataset.xsrf },
    }).then(function (answer) {
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      location.reload();
    }).catch(function () {
      button.disabled = false;
      button.removeAttribute("aria-busy");
      button.textContent = label;
      card.querySelectorAll("a.rl-button").forEach(function (link) {
        link.hidden = false;
      });
      say(card.dataset.notStopped);
    });
  }

  function say(text) {
    const place = document.getElementById("progress-message") ||
      document.getElementById("server-status");
    place.textContent = text;
  }

  function follow() {
    const bar = document.getElementById("progress-bar");
    const filled = bar.firstElementChild;
    const began = Date.now();
    setInterval(function () {
      document.getElementById("seconds").textContent = Math.round((Date.now() - began) / 1000);
    }, 1000);
    events = new EventSource(card.dataset.events);
    events.onmessage = function (message) {
      const event = JSON.parse(message.data);
      if (event.progress !== undefined) {
        bar.setAttribute("aria-valuenow", event.progress);
        filled.style.width = event.progress + "%";
      }
      const told = event.step && card.getAttribute("data-step-" + event.step);
      if (told) {
        say(told);
      }
      if (event.failed) {
        filled.classList.add("is-failed");
        say(card.dataset.failed);
      }
      if (event.ready || event.failed) {
        // The Hub then sends the browser on: to JupyterLab, or to the reason.
        events.close();
        setTimeout(function () {
          location.reload();
        }, event.failed ? 800 : 0);
      }
    };
  }

  if (button) {
    button.addEventListener("click", stop);
  }
  if (card.dataset.events) {
    follow();
  }
})();
