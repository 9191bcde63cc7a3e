// Conveniences only: every page works without this file.
"use strict";

(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Countdowns run on the server's clock: the reader's may be wrong.
  const skew = Date.parse(document.body.dataset.now) - Date.now();
  const units = [[86400, " day", " days"], [3600, " h", " h"], [60, " min", " min"], [1, " s", " s"]];
  const describe = (seconds) => {
    const parts = [];
    let rest = Math.max(0, seconds);
    for (const [size, one, many] of units) {
      const value = Math.floor(rest / size);
      rest -= value * size;
      if (value > 0) parts.push(value + (value === 1 ? one : many));
      if (parts.length === 2 || (parts.length === 1 && value === 0)) break;
    }
    return parts.join(" ") || "0 s";
  };
  const countdowns = all("[data-expires]");
  const tick = () => {
    for (const element of countdowns) {
      const seconds = Math.floor((Date.parse(element.dataset.expires) - Date.now() - skew) / 1000);
      element.textContent = seconds > 0 ? describe(seconds) : "ended";
      element.classList.toggle("soon", seconds < 3600);
    }
  };
  if (countdowns.length > 0) {
    tick();
    setInterval(tick, 1000);
  }

  // The reader's own time zone, on pointing at a time.
  for (const element of all("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.getTime())) element.title = moment.toLocaleString();
  }

  // Copy buttons beside what they copy.
  const copyable = navigator.clipboard ? all("[data-copy]") : [];
  for (const source of copyable) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + source.dataset.copy);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.dataset.text || source.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not copied";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    source.after(button);
  }

  // A menu closes when one goes elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Catalogue: what is chosen, and a filter while typing.
  const catalogue = document.querySelector("form.catalogue");
  if (!catalogue) return;
  const boxes = all("input[name=item]", catalogue);
  const sum = catalogue.querySelector(".sum");
  if (!sum) return;
  const size = (bytes) => {
    const names = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let index = 0;
    while (bytes >= 1024 && index + 1 < names.length) {
      bytes /= 1024;
      index += 1;
    }
    return (bytes >= 100 || index === 0 ? Math.round(bytes) : Math.round(bytes * 10) / 10) + " " + names[index];
  };
  const count = () => {
    const chosen = boxes.filter((box) => box.checked);
    const bytes = chosen.reduce((total, box) => total + Number(box.dataset.bytes), 0);
    sum.textContent = chosen.length === 0 ? "Nothing chosen yet" : chosen.length + " chosen, " + size(bytes);
  };
  catalogue.addEventListener("change", count);
  window.addEventListener("pageshow", count);
  count();

  // A page of a longer catalogue is searched by the server alone.
  if ("partial" in catalogue.dataset) return;
  const search = catalogue.querySelector("input[type=search]");
  const cards = all(".product", catalogue);
  const texts = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const text = texts.get(card);
      card.hidden = !words.every((word) => text.includes(word)) && !card.querySelector(":checked");
    }
  });
})();
