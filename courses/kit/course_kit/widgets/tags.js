// A header to leaf through: at the left all elements, at the right the one that was clicked.
const COLOURS = { tag: "#2563eb", vr: "#7c3aed", length: "#94a3b8", value: "#d97706" };
const LONG = ["OB", "OW", "OF", "OD", "SQ", "UN", "UT", "UC", "UR"];

function made(kind, style, text = "") {
  const node = document.createElement(kind);
  node.style.cssText = style;
  node.textContent = text;
  return node;
}

function part(place, vr) {
  if (place < 4) return "tag";
  if (place < 6) return "vr";
  return place < (LONG.includes(vr) ? 12 : 8) ? "length" : "value";
}

function render({ model, el }) {
  const rows = model.get("rows"), words = model.get("words");
  const box = made("div", "display:flex;gap:16px;max-width:1060px;font-size:13px;color:#1e293b;" +
    "flex-wrap:wrap");
  const side = made("div", "flex:1 1 520px;min-width:320px");
  const search = made("input", "width:100%;box-sizing:border-box;padding:7px 10px;border:1px solid " +
    "#cbd5e1;border-radius:6px;margin-bottom:6px;font-size:13px;background:#fff;color:#1e293b");
  search.placeholder = words.search;
  search.setAttribute("aria-label", words.search);
  const list = made("div", "height:340px;overflow:auto;border:1px solid #e2e8f0;border-radius:6px;" +
    "background:#fff");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", words.tag);
  list.tabIndex = 0;
  const count = made("div", "color:#64748b;padding:4px 2px");
  const card = made("div", "flex:1 1 360px;min-width:300px;background:#f8fafc;border-radius:8px;" +
    "padding:14px 18px;box-sizing:border-box");
  card.setAttribute("role", "status");
  let chosen = model.get("chosen"), shown = [];

  function detail() {
    card.replaceChildren();
    const row = rows[chosen];
    if (!row) { card.append(made("div", "color:#64748b", words.choose)); return; }
    card.append(made("div", "font-size:17px;font-weight:600;margin-bottom:2px", row.name));
    card.append(made("div", "color:#64748b;font-family:monospace;margin-bottom:8px", row.keyword));
    if (row.says) card.append(made("div", "margin-bottom:10px;line-height:1.5;font-size:14px", row.says));
    const fact = (name, text, colour) => {
      const line = made("div", "display:flex;gap:10px;margin:3px 0");
      line.append(made("div", "flex:0 0 92px;color:#64748b", name),
        made("div", `color:${colour};overflow-wrap:anywhere;font-weight:600`, text));
      card.append(line);
    };
    fact(words.tag, row.tag, COLOURS.tag);
    fact(words.kind, row.kind ? `${row.vr}: ${row.kind}` : row.vr, COLOURS.vr);
    fact(words.value, row.value, COLOURS.value);
    card.append(made("div", "color:#64748b;margin:12px 0 4px", words.bytes));
    const grid = made("div", "display:grid;grid-template-columns:repeat(12,1fr);gap:2px;" +
      "font-family:monospace;font-size:12px");
    row.bytes.forEach((byte, place) => {
      const colour = COLOURS[part(place, row.vr)];
      const letter = byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·";
      const cell = made("div", `text-align:center;border-radius:3px;padding:2px 0;background:${colour}18;` +
        `color:${colour};line-height:1.25`);
      cell.append(made("div", "", byte.toString(16).padStart(2, "0")),
        made("div", "opacity:.65", letter));
      grid.append(cell);
    });
    card.append(grid);
    const key = made("div", "display:flex;gap:12px;margin-top:6px;flex-wrap:wrap");
    for (const [name, word] of [["tag", words.tag], ["vr", "VR"], ["length", words.length],
      ["value", words.value]]) key.append(made("span", `color:${COLOURS[name]}`, "■ " + word));
    if (row.length > row.bytes.length) key.append(made("span", "color:#64748b",
      "… " + row.length.toLocaleString("en")));
    card.append(key);
  }
  function choose(place, scroll) {
    chosen = place;
    model.set("chosen", place);
    model.save_changes();
    for (const line of list.children) {
      const on = Number(line.dataset.place) === place;
      line.style.background = on ? "#dbeafe" : "";
      line.setAttribute("aria-selected", String(on));
      if (on && scroll) list.scrollTop = Math.min(list.scrollTop, line.offsetTop - list.offsetTop),
        list.scrollTop = Math.max(list.scrollTop, line.offsetTop - list.offsetTop - 300);
    }
    detail();
  }
  function fill() {
    const asked = search.value.trim().toLowerCase();
    shown = rows.map((row, place) => [row, place]).filter(([row]) =>
      [row.tag, row.name, row.keyword, row.value].join(" ").toLowerCase().includes(asked));
    list.replaceChildren(...shown.map(([row, place]) => {
      const line = made("div", "display:flex;gap:10px;padding:3px 8px;cursor:pointer;white-space:nowrap");
      line.dataset.place = place;
      line.setAttribute("role", "option");
      line.append(
        made("span", `flex:0 0 78px;font-family:monospace;color:${COLOURS.tag}`, row.tag),
        made("span", `flex:0 0 ${210 - row.level * 14}px;margin-left:${row.level * 14}px;overflow:hidden;` +
          "text-overflow:ellipsis", row.name),
        made("span", "overflow:hidden;text-overflow:ellipsis;color:#475569", row.value));
      line.onclick = () => choose(place, false);
      return line;
    }));
    if (!shown.length) list.append(made("div", "padding:10px;color:#64748b", words.none));
    count.textContent = words.count.replace("{}", shown.length);
    if (shown.length) choose(shown.some(([, place]) => place === chosen) ? chosen : shown[0][1], true);
  }
  search.oninput = fill;
  list.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    event.stopPropagation();
    const now = shown.findIndex(([, place]) => place === chosen);
    choose(shown[Math.min(shown.length - 1, Math.max(0, now + step))][1], true);
  };
  search.onkeydown = (event) => event.stopPropagation();
  side.append(search, list, count);
  box.append(side, card);
  el.append(box);
  fill();
  requestAnimationFrame(() => choose(chosen, true));
}

export default { render };
