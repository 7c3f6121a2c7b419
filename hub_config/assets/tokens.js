// The page of access tokens: make one, revoke one, by the Hub's REST API.
"use strict";

(function () {
  const page = document.getElementById("tokens");
  const failure = document.getElementById("token-error");

  function ask(method, path, body) {
    return fetch(page.dataset.tokens + path, {
      method: method,
      headers: { "X-XSRFToken": page.dataset.xsrf, "Content-Type": "application/json" },
      body: body ? JSON.stringify(body) : undefined,
    }).then(function (answer) {
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      return answer.status === 204 ? null : answer.json();
    });
  }

  function failed() {
    failure.textContent = page.dataset.failed;
    failure.hidden = false;
  }

  document.getElementById("token-form").addEventListener("submit", function (event) {
    event.preventDefault();
    const days = Number(document.getElementById("token-days").value);
    const note = document.getElementById("token-note").value;
    ask("POST", "", { note: note, expires_in: days * 86400 }).then(function (made) {
      document.getElementById("token-text").textContent = made.token;
      document.getElementById("token-made").hidden = false;
    }).catch(failed);
  });

  page.querySelectorAll("[data-revoke]").forEach(function (button) {
    button.addEventListener("click", function () {
      ask("DELETE", "/" + button.dataset.revoke).then(function () {
        button.closest("tr").remove();
      }).catch(failed);
    });
  });
})();
