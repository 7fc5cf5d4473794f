"use strict";
(function () {
  const root = document.documentElement;
  const all = (selector, base) => Array.from((base || document).querySelectorAll(selector));

  // Light and dark: the system's choice until the reader chooses.
  const button = document.getElementById("theme");
  const stored = () => { try { return localStorage.getItem("sdd-bench-theme"); } catch (error) { return null; } };
  const keep = (value) => { try { localStorage.setItem("sdd-bench-theme", value); } catch (error) { /* private window */ } };
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", "Use " + (isDark() ? "light" : "dark") + " colours"); };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  label();
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; keep(root.dataset.theme); label(); });

  // Tables: a button in a heading sorts; what is missing stays last.
  const cellOf = (row, index) => row.cells[index];
  const valueOf = (cell, numeric) => {
    const text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
    if (!numeric) return text.toLowerCase();
    if (text === "") return NaN;
    return text === "inf" ? Infinity : Number(text);
  };
  function sort(table, heading) {
    const column = Number(heading.dataset.column);
    const numeric = heading.dataset.sort === "number";
    const first = heading.dataset.first || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    all("th[aria-sort]", table).forEach((th) => th.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row, index) => ({ row, index, value: valueOf(cellOf(row, column), numeric) }));
    rows.sort((a, b) => {
      const aMissing = numeric ? Number.isNaN(a.value) : a.value === "", bMissing = numeric ? Number.isNaN(b.value) : b.value === "";
      if (aMissing || bMissing) return aMissing - bMissing || a.index - b.index;
      if (a.value < b.value) return -sign;
      if (a.value > b.value) return sign;
      return a.index - b.index;
    });
    rows.forEach((item) => body.append(item.row));
  }
  all("table[data-table]").forEach((table) => {
    all("th[data-sort] button", table).forEach((control) => control.addEventListener("click", () => sort(table, control.closest("th"))));
  });

  // Filters: words (all must occur), the kind of row, and largest values; a value not known is over every limit.
  all("[data-filter]").forEach((form) => {
    const table = document.getElementById(form.dataset.filter);
    const words = form.querySelector("input[type=search]"), kind = form.querySelector("select[data-kind]");
    const status = form.querySelector("[role=status]");
    const total = table.tBodies[0].rows.length;
    const texts = new Map(Array.from(table.tBodies[0].rows).map((row) => {
      const cells = all("th, td.text", row); // names, not figures and what stands below them
      return [row, cells.map((cell) => cell.textContent).join(" ").toLowerCase()];
    }));
    const limits = all("input[data-most]", form);
    const within = (row) => limits.every((limit) => {
      const cell = row.querySelector("[data-cost=" + limit.dataset.most + "]");
      return limit.value === "" || (cell.dataset.value !== "" && Number(cell.dataset.value) <= Number(limit.value));
    });
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of texts) {
        row.hidden = !(wanted.every((word) => text.includes(word)) && (!kind || !kind.value || row.dataset.kind === kind.value) && within(row));
        if (!row.hidden) shown += 1;
      }
      status.textContent = shown + " of " + total + " rows";
    };
    words.addEventListener("input", apply);
    if (kind) kind.addEventListener("change", apply);
    limits.forEach((limit) => limit.addEventListener("input", apply));
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();

    // Columns: which metrics, which ground truths.
    const spans = () => all("thead tr.groups th[data-span]", table).forEach((th) => {
      const visible = th.dataset.span.split(" ").filter((name) => !table.classList.contains("hide-" + name)).length;
      if (visible) th.colSpan = visible;
      th.style.display = visible && !table.classList.contains("hide-" + th.dataset.group) ? "" : "none";
    });
    const boxes = all("input[data-column]", form);
    const narrow = matchMedia("(max-width: 700px)").matches;
    boxes.forEach((box) => {
      if (narrow && box.dataset.narrow === "off") box.checked = false;
      const show = () => { table.classList.toggle("hide-" + box.dataset.column, !box.checked); spans(); };
      box.addEventListener("change", show);
      show();
    });
  });

  // Slider: two pictures of one place, the left one cut off at the divider.
  all("[data-slider]").forEach((slider) => {
    const data = JSON.parse(slider.querySelector("script[type='application/json']").textContent);
    const stage = slider.querySelector(".stage"), range = slider.querySelector("input[type=range]");
    const set = slider.querySelector("select[data-set]");
    const sides = { left: slider.querySelector("select[data-side=left]"), right: slider.querySelector("select[data-side=right]") };
    const images = { left: stage.querySelector(".over img"), right: stage.querySelector(".under") };
    const names = { left: stage.querySelector(".side.left"), right: stage.querySelector(".side.right") };
    const fit = () => { if (images.right.naturalHeight) slider.style.setProperty("--ratio", String(images.right.naturalWidth / images.right.naturalHeight)); };
    images.right.addEventListener("load", fit);
    fit();
    const move = (value) => {
      const at = Math.max(0, Math.min(100, Number(value)));
      range.value = String(at);
      range.setAttribute("aria-valuetext", Math.round(at) + " percent: " + names.left.textContent + " to the left, " + names.right.textContent + " to the right");
      stage.style.setProperty("--at", at + "%");
    };
    const current = () => (set ? data.sets[Number(set.value)] : null);
    const source = (key) => { const chosen = current(); return (chosen && chosen.layers[key]) || data.layers[key] || ""; };
    const title = (key) => { const chosen = current(); return data.labels[key] + (chosen && chosen.layers[key] ? " · " + chosen.label : ""); };
    const show = () => {
      for (const side of ["left", "right"]) {
        Array.from(sides[side].options).forEach((option) => { option.disabled = !source(option.value); });
        if (!source(sides[side].value)) {
          const first = Array.from(sides[side].options).find((option) => !option.disabled);
          if (first) sides[side].value = first.value;
        }
        const key = sides[side].value;
        if (images[side].getAttribute("src") !== source(key)) images[side].src = source(key);
        images[side].alt = title(key);
        names[side].textContent = title(key);
      }
      all("[data-layer]").forEach((image) => {
        const address = source(image.dataset.layer);
        image.closest("figure").hidden = !address;
        if (address && image.getAttribute("src") !== address) image.src = address;
      });
      all("[data-set-name]").forEach((place) => { place.textContent = current() ? current().label : ""; });
      all("tr[data-set-row]").forEach((row) => {
        if (set && row.dataset.setRow === current().key) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
      });
      move(range.value);
    };
    range.addEventListener("input", () => move(range.value));
    sides.left.addEventListener("change", show);
    sides.right.addEventListener("change", show);
    if (set) {
      const open = (key) => {
        const index = data.sets.findIndex((item) => item.key === key);
        if (index >= 0) { set.value = String(index); show(); }
      };
      set.addEventListener("change", show);
      all("[data-open-set]").forEach((control) => control.addEventListener("click", () => { open(control.dataset.openSet); slider.scrollIntoView({ block: "nearest" }); }));
      const fromAddress = () => open(decodeURIComponent(location.hash.slice(1)));
      addEventListener("hashchange", fromAddress);
      fromAddress();
    }
    const drag = (event) => { const box = stage.getBoundingClientRect(); move(100 * (event.clientX - box.left) / box.width); };
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
    stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) drag(event); });
    show();
  });
})();
