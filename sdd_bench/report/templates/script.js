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

  // Slider: two pictures of one place, the left one cut off at the divider, or side by side; one zoom and place for both.
  all("[data-slider]").forEach((slider) => {
    const data = JSON.parse(slider.querySelector("script[type='application/json']").textContent);
    const stage = slider.querySelector(".stage"), range = slider.querySelector("input[type=range]");
    const set = slider.querySelector("select[data-set]"), beside = slider.querySelector("[data-beside]");
    const sides = { left: slider.querySelector("select[data-side=left]"), right: slider.querySelector("select[data-side=right]") };
    const panes = { left: stage.querySelector(".left"), right: stage.querySelector(".right") };
    const images = { left: panes.left.querySelector("img"), right: panes.right.querySelector("img") };
    const names = { left: panes.left.querySelector(".side"), right: panes.right.querySelector(".side") };
    const view = { zoom: 1, x: 0, y: 0 }; // x and y: where the picture's corner lies, in widths and heights of a pane
    const pixels = () => images.right.naturalWidth / Math.max(1, panes.right.clientWidth) / (devicePixelRatio || 1);
    const limited = (zoom) => Math.max(Math.min(1, pixels()), Math.min(Math.max(8, 4 * pixels()), zoom));
    const place = () => {
      view.zoom = limited(view.zoom);
      for (const axis of ["x", "y"]) view[axis] = view.zoom < 1 ? (1 - view.zoom) / 2 : Math.min(0, Math.max(1 - view.zoom, view[axis]));
      slider.style.setProperty("--zoom", String(view.zoom));
      slider.style.setProperty("--x", 100 * view.x + "%");
      slider.style.setProperty("--y", 100 * view.y + "%");
      slider.classList.toggle("enlarged", view.zoom > 1);
      slider.classList.toggle("coarse", view.zoom >= 2 * pixels());
      slider.querySelector("[data-zoom-now]").textContent = view.zoom.toFixed(1) + "×";
    };
    const zoomTo = (zoom, u, v) => { // the point (u, v) of a pane stays where it is
      const before = view.zoom;
      view.zoom = limited(zoom);
      view.x = u - (u - view.x) * view.zoom / before;
      view.y = v - (v - view.y) * view.zoom / before;
      place();
    };
    const within = (event) => {
      const side = event.target.closest(".pane") || panes.right, box = side.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, box];
    };
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
    const fixed = (key) => (key.startsWith("set ") ? data.sets[Number(key.slice(4))] : null); // a method whatever is chosen
    const source = (key) => { const chosen = current(); return fixed(key) ? fixed(key).layers.deblurred : (chosen && chosen.layers[key]) || data.layers[key] || ""; };
    const title = (key) => {
      const chosen = current();
      if (fixed(key)) return data.labels.deblurred + " · " + fixed(key).label;
      return data.labels[key] + (chosen && chosen.layers[key] ? " · " + chosen.label : "");
    };
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
    beside.addEventListener("change", () => {
      slider.classList.toggle("beside", beside.checked);
      // Two panes show two methods: the one chosen, and the next.
      if (beside.checked && sides.left.value === "blurry" && data.sets.length > 1) {
        sides.left.value = "set " + (Number(set.value) === 0 ? 1 : 0);
        show();
      }
      place();
    });
    all("[data-zoom]", slider).forEach((control) => control.addEventListener("click", () => {
      const to = { out: view.zoom / 1.5, in: view.zoom * 1.5, fit: 1, pixels: pixels() }[control.dataset.zoom];
      zoomTo(to, 0.5, 0.5);
    }));
    stage.addEventListener("wheel", (event) => { // a pinch arrives as a wheel with Ctrl; a bare wheel scrolls the page
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const [u, v] = within(event);
      zoomTo(view.zoom * Math.exp(-event.deltaY / 300), u, v);
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => { const [u, v] = within(event); zoomTo(view.zoom * 2, u, v); });
    stage.addEventListener("keydown", (event) => {
      const step = 0.1, moves = { ArrowLeft: ["x", step], ArrowRight: ["x", -step], ArrowUp: ["y", step], ArrowDown: ["y", -step] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "+" || event.key === "=") zoomTo(view.zoom * 1.5, 0.5, 0.5);
      else if (event.key === "-") zoomTo(view.zoom / 1.5, 0.5, 0.5);
      else if (event.key === "0") zoomTo(1, 0.5, 0.5);
      else if (moves[event.key] && view.zoom > 1) { view[moves[event.key][0]] += moves[event.key][1]; place(); }
      else return;
      event.preventDefault();
    });
    let held = null;
    const divide = (event) => { const box = stage.getBoundingClientRect(); move(100 * (event.clientX - box.left) / box.width); };
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => {
      const [, , box] = within(event), near = Math.abs(event.clientX - box.left - box.width * Number(range.value) / 100) < 16;
      const pans = beside.checked ? view.zoom > 1 : view.zoom > 1 && !near;
      held = pans ? { x: view.x - event.clientX / box.width, y: view.y - event.clientY / box.height, box } : null;
      stage.setPointerCapture(event.pointerId);
      if (!pans && !beside.checked) divide(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!stage.hasPointerCapture(event.pointerId)) return;
      if (held) { view.x = held.x + event.clientX / held.box.width; view.y = held.y + event.clientY / held.box.height; place(); }
      else if (!beside.checked) divide(event);
    });
    show();
    place();
  });
})();
