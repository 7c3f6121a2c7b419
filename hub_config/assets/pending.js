// The pending page: one's place in line as it changes, what could start instead, and leaving.
//
// The Hub tells how it stands by events. Where they stop (the Hub was started again, the network
// is gone) the place itself is asked for every two seconds, until there is a start to follow again.
"use strict";

(function () {
  const card = document.getElementById("start");
  if (!card || !card.dataset.place) {
    return;
  }
  const told = card.dataset;
  const bar = document.getElementById("progress-bar");
  const ASK_AGAIN = 2000;
  let events = null;
  let asking = null;
  let acting = false;

  function by(id) {
    return document.getElementById(id);
  }

  // What is read aloud when it changes is only written when it does.
  function write(element, text) {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  }

  function say(text) {
    write(by("progress-message"), text);
  }

  function minutesUntil(moment) {
    if (!moment) {
      return told.unknown;
    }
    const minutes = Math.round((new Date(moment) - Date.now()) / 60000);
    if (minutes < 1) {
      return told.soon;
    }
    return minutes === 1 ? told.minute : told.minutes.replace("{count}", minutes);
  }

  function timeElement(moment) {
    const element = document.createElement("time");
    element.setAttribute("datetime", moment);
    element.dataset.radlabTime = "time";
    element.textContent = moment;
    return element;
  }

  function showTimes(element) {
    element.dispatchEvent(new CustomEvent("radlab:filled", { bubbles: true }));
  }

  function showReason(reason) {
    const place = by("place-reason");
    if (place.dataset.shown === reason.text) {
      return;
    }
    place.dataset.shown = reason.text;
    place.replaceChildren.apply(place, reason.parts.map(function (part) {
      return typeof part === "string" ? document.createTextNode(part) : timeElement(part.time);
    }));
    showTimes(place);
  }

  function showAt(moment) {
    const place = by("place-at");
    if (place.dataset.shown === (moment || "")) {
      return;
    }
    place.dataset.shown = moment || "";
    place.hidden = !moment;
    place.replaceChildren.apply(place, moment ? ["(", timeElement(moment), ")"] : []);
    showTimes(place);
  }

  // The buttons stay as they are while the same is offered: whoever is about to press one keeps it.
  function showAlternatives(alternatives) {
    const list = by("place-alternatives");
    const offered = JSON.stringify(alternatives);
    if (acting || list.dataset.shown === offered) {
      return;
    }
    const focused = list.contains(document.activeElement);
    list.dataset.shown = offered;
    list.replaceChildren.apply(list, alternatives.map(function (alternative) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rl-button";
      button.textContent = alternative.title;
      button.addEventListener("click", function () {
        act(button, told.place + "/take", told.taking, { options: alternative.options });
      });
      return button;
    }));
    by("place-instead").hidden = !alternatives.length;
    if (focused) {
      (list.querySelector("button") || by("leave-place")).focus();
    }
  }

  function showPlace(place) {
    const waiting = Boolean(place) && place.state === "waiting";
    by("place").hidden = !waiting;
    write(by("start-title"), waiting ? told.titleWaiting : told.titleStarting);
    if (!waiting) {
      showAlternatives([]);
      return;
    }
    if (place.title) {
      write(by("place-title"), place.title);
    }
    write(by("place-position"), String(place.position));
    write(by("place-waiting"), String(place.waiting));
    write(by("place-minutes"), minutesUntil(place.expected_at));
    showAt(place.expected_at);
    showReason(place.reason);
    showAlternatives(place.alternatives);
  }

  function showEvent(event) {
    if (event.progress !== undefined) {
      bar.setAttribute("aria-valuenow", event.progress);
      bar.firstElementChild.style.width = event.progress + "%";
    }
    const step = event.step || "";
    const words = step && told["step" + step.charAt(0).toUpperCase() + step.slice(1)];
    if (words && !acting) {
      say(words);
    }
    if (event.place) {
      showPlace(event.place[told.language]);
    } else if (step === "starting") {
      showPlace(null);
    }
  }

  function follow() {
    events = new EventSource(told.events);
    events.onmessage = function (message) {
      const event = JSON.parse(message.data);
      if (event.ready) {
        events.close();
        location.reload(); // the Hub sends the browser on to JupyterLab
        return;
      }
      if (event.failed) {
        events.close();
        if (!acting) {
          bar.firstElementChild.classList.add("is-failed");
          say(told.failed);
          setTimeout(ask, 800);
        }
        return;
      }
      showEvent(event);
    };
    events.onerror = function () {
      events.close();
      askLater();
    };
  }

  function askLater() {
    clearTimeout(asking);
    asking = setTimeout(ask, ASK_AGAIN);
  }

  // Without events: how does the place stand, and is there a start to follow again?
  function ask() {
    if (acting) {
      return;
    }
    fetch(told.place, { headers: { Accept: "application/json" } }).then(function (answer) {
      if (answer.status === 403) {
        location.reload(); // signed out meanwhile
        return null;
      }
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      return answer.json();
    }).then(function (place) {
      if (!place) {
        return;
      }
      if (place.state === "none" || place.state === "running") {
        location.reload(); // to the reason why it did not start, or to JupyterLab
      } else {
        showEvent({ step: place.state });
        showPlace(place.reason ? place : null);
        if (place.pending) {
          follow();
        } else {
          askLater();
        }
      }
    }).catch(function () {
      say(told.away);
      askLater();
    });
  }

  function post(address, body) {
    return fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-XSRFToken": told.xsrf },
      body: JSON.stringify(body),
    }).then(function (answer) {
      return answer.json().then(function (facts) {
        if (!answer.ok) {
          throw new Error(facts.error.message);
        }
        return facts;
      });
    });
  }

  function act(button, address, words, body) {
    const label = button.textContent;
    const buttons = card.querySelectorAll("button");
    acting = true;
    buttons.forEach(function (each) {
      each.disabled = true;
    });
    button.setAttribute("aria-busy", "true");
    button.textContent = words;
    return post(address, body).catch(function (error) {
      // A TypeError is the browser's, in its own words; what else is said is ours.
      say(error instanceof TypeError || error instanceof SyntaxError ? told.refused : error.message);
      return null;
    }).then(function (facts) {
      acting = false;
      button.textContent = label;
      button.removeAttribute("aria-busy");
      buttons.forEach(function (each) {
        each.disabled = false;
      });
      if (facts) {
        showPlace(facts.reason ? facts : null);
      }
      return facts;
    });
  }

  by("leave-place").addEventListener("click", function () {
    act(by("leave-place"), told.place + "/leave", told.leaving, {}).then(function (facts) {
      if (!facts) {
        return;
      }
      if (events) {
        events.close();
      }
      clearTimeout(asking);
      location.assign(told.launch);
    });
  });
  follow();
})();
