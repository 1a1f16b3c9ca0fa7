"use strict";
// Draws the charts and makes tables sortable. Python has put every number into words already; here numbers only
// become places. All text goes in as text nodes, never as markup.
(() => {
  const story = JSON.parse(document.getElementById("story").textContent);
  // The page's own SVG knows its namespace, so that no address needs to stand in this file.
  const NAMESPACE = document.querySelector("svg").namespaceURI;

  const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(NAMESPACE, name), attributes, children);
  const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  // ---- Numbers on axes

  const UNITS = {
    time: [["us", 1e-6], ["ms", 1e-3], ["s", 1], ["min", 60], ["h", 3600], ["d", 86400]],
    bytes: [["B", 1], ["KiB", 1024], ["MiB", 1048576], ["GiB", 1073741824]],
    pace: [["rows/s", 1], ["k rows/s", 1e3], ["M rows/s", 1e6]],
    money: [["usd", 1]],
    carbon: [["kg CO2e", 1]],
  };
  const LOGARITHMIC = new Set(["time", "bytes", "pace", "money", "carbon"]);

  function unitOf(unit, value) {
    const known = UNITS[unit] || [["", 1]];
    return known.findLast(([, size]) => Math.abs(value) >= size * 0.999) || known[0];
  }

  function tickText(unit, value) {
    if (unit === "share") return `${+(100 * value).toPrecision(3)} %`;
    if (unit === "change" || unit === "metric") {
      const text = `${+value.toPrecision(4)}`.replace("-", "−");
      return unit === "change" && value > 0 ? `+${text}` : text;
    }
    const [name, size] = unitOf(unit, value);
    return `${(+(value / size).toPrecision(3)).toLocaleString("en")} ${name}`.trim();
  }

  function niceStep(span, count) {
    const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= raw * 0.999);
  }

  // A scale knows where a value goes and which ticks it shows; what lies outside is put on the edge.
  function scaleOf(axis, values, start, end) {
    let known = values.filter((v) => v !== null && v !== undefined);
    const limit = axis.limit ? axis.limit.at : null;
    // One destroyed variant must not squeeze the others into a line: it goes to the edge, with an arrow.
    if (axis.unit === "change") known = [...known.filter((v) => !limit || v >= 3 * limit), 0, 1.7 * (limit || 0)];
    let low = Math.min(...known), high = Math.max(...known);
    const log = LOGARITHMIC.has(axis.unit) && low > 0 && high / low > 2.5;
    if (limit !== null && axis.unit !== "change" && limit > 0 && limit <= high * 1.6 && limit >= low / 1.6) {
      low = Math.min(low, limit);
      high = Math.max(high, limit);
    }
    if (low === high) { low -= Math.abs(low) * 0.1 || 1; high += Math.abs(high) * 0.1 || 1; }
    const to = log ? Math.log : (v) => v;
    const pad = 0.07 * (to(high) - to(low));
    const from = to(low) - pad, span = to(high) - to(low) + 2 * pad;
    const inside = (v) => to(v) >= from - 1e-9 * span && to(v) <= from + span * (1 + 1e-9);
    const place = (v) => start + (end - start) * Math.min(1, Math.max(0, (to(v) - from) / span));
    const [, size] = UNITS[axis.unit] ? unitOf(axis.unit, high) : ["", 1];
    let ticks = axis.ticks || [];
    const many = Math.max(3, Math.min(8, Math.abs(end - start) / 90));
    if (ticks.length) ticks = ticks.filter(inside);
    else if (log) {
      const lowest = Math.exp(from), highest = Math.exp(from + span);
      const decades = Math.log10(highest / lowest);
      const steps = decades > many * 0.8 ? [1] : decades > many * 0.36 ? [1, 3] : decades > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
      for (let power = Math.floor(Math.log10(lowest / size)); power <= Math.log10(highest / size); power++)
        for (const step of steps) {
          const tick = step * 10 ** power * size;
          if (tick >= lowest && tick <= highest) ticks.push(tick);
        }
    } else {
      const step = niceStep(span / size, many) * size;
      for (let tick = Math.ceil(from / step) * step; tick <= from + span; tick += step)
        ticks.push(Math.abs(tick) < step / 1e6 ? 0 : tick);
    }
    return { place, inside, ticks, low: log ? Math.exp(from) : from, high: log ? Math.exp(from + span) : from + span };
  }

  // ---- Marks

  const SHAPES = [
    (r) => `M0 ${-r}A${r} ${r} 0 1 1 0 ${r}A${r} ${r} 0 1 1 0 ${-r}Z`,
    (r) => `M0 ${-r * 1.25}L${r * 1.2} ${r * 0.85}H${-r * 1.2}Z`,
    (r) => `M${-r * 0.9} ${-r * 0.9}H${r * 0.9}V${r * 0.9}H${-r * 0.9}Z`,
    (r) => `M0 ${-r * 1.3}L${r * 1.3} 0L0 ${r * 1.3}L${-r * 1.3} 0Z`,
    (r) => `M0 ${r * 1.25}L${r * 1.2} ${-r * 0.85}H${-r * 1.2}Z`,
  ];
  const DASHES = ["none", "7 4", "9 3 2 3", "2 3", "1 4"];

  // Words get their hue and shape by the order that the data name, others as they first appear: so that the same
  // word looks the same in every chart.
  function order(items, key, first) {
    const all = [...new Set([...first, ...items.map((item) => item[key])])];
    const present = all.filter((word) => items.some((item) => item[key] === word));
    return Object.assign((word) => all.indexOf(word), { present });
  }
  const hueClass = (index) => `hue-${1 + (index % 6)}`;
  const draw = (shape, x, y, r) => svg("path", { class: "mark", d: SHAPES[shape % SHAPES.length](r), transform: `translate(${x} ${y})` });

  function keys(items, hueOf, shapeOf, lines) {
    const box = html("div", { class: "keys" });
    const wide = lines ? 22 : 14, middle = wide / 2;
    for (const word of hueOf.present) {
      const sign = svg("svg", { viewBox: `0 0 ${wide} 14`, class: hueClass(hueOf(word)), "aria-hidden": "true" });
      sign.append(lines ? svg("path", { class: "line", d: "M1 7H21" }) : draw(0, middle, 7, 5));
      box.append(html("span", {}, sign, word));
    }
    for (const word of shapeOf.present) {
      const sign = svg("svg", { viewBox: `0 0 ${wide} 14`, class: "hue-6", "aria-hidden": "true" });
      sign.append(lines ? svg("path", { class: "line", d: "M1 7H21", "stroke-dasharray": DASHES[shapeOf(word) % 5] }) : draw(shapeOf(word), middle, 7, 5));
      box.append(html("span", {}, sign, word));
    }
    if (!lines && items.some((item) => item.standing === "lost")) {
      const sign = svg("svg", { viewBox: `0 0 ${wide} 14`, class: "hue-6", "aria-hidden": "true" }, svg("g", { class: "lost" }, draw(0, middle, 7, 5)));
      box.append(html("span", {}, sign, "lost"));
    }
    const halo = svg("svg", { viewBox: `0 0 ${wide} 14`, class: "hue-6", "aria-hidden": "true" });
    if (lines) halo.append(svg("path", { class: "line", d: "M1 7H21", style: "stroke-width:4" }));
    else halo.append(draw(0, middle, 7, 3.5), svg("circle", { class: "halo", cx: middle, cy: 7, r: 6 }));
    box.append(html("span", {}, halo, "chosen"));
    return box;
  }

  function choices(title, name, options, chosen, onChange) {
    const field = html("fieldset", {}, html("legend", {}, title));
    options.forEach(([value, label], index) => {
      const id = `${name}-${index}`;
      const input = html("input", { type: "radio", name, id, value });
      input.checked = value === chosen;
      input.addEventListener("change", () => onChange(value));
      field.append(input, html("label", { for: id }, label));
    });
    return field;
  }

  function toggles(title, name, words, onChange) {
    const field = html("fieldset", {}, html("legend", {}, title));
    words.forEach((word, index) => {
      const id = `${name}-${index}`;
      const input = html("input", { type: "checkbox", name, id });
      input.checked = true;
      input.addEventListener("change", () => onChange(word, input.checked));
      field.append(input, html("label", { for: id }, word));
    });
    return field;
  }

  // What a chart says of the mark under the pointer or the arrow keys, drawn beside it and read aloud.
  function talker(frame, canvas) {
    const tip = html("div", { class: "tip", "aria-hidden": "true" });
    tip.hidden = true;
    const spoken = html("p", { class: "unseen", "aria-live": "polite" });
    frame.append(tip, spoken);
    return {
      say(x, y, name, lines, aloud) {
        tip.replaceChildren(html("b", {}, name));
        const list = html("dl");
        for (const [term, value] of lines)
          if (term) list.append(html("dt", {}, term), html("dd", {}, value));
          else list.append(html("dd", { class: "sentence" }, value));
        tip.append(list);
        tip.hidden = false;
        const box = frame.getBoundingClientRect(), drawn = canvas().getBoundingClientRect();
        const left = drawn.left - box.left + x, top = drawn.top - box.top + y;
        const beside = left + 18 + tip.offsetWidth > box.width ? left - 18 - tip.offsetWidth : left + 18;
        tip.style.left = `${Math.max(8, Math.min(box.width - tip.offsetWidth - 8, beside))}px`;
        const below = beside < 8 ? top + 20 : top - tip.offsetHeight / 2;
        tip.style.top = `${Math.max(4, Math.min(box.height - tip.offsetHeight - 4, below))}px`;
        if (aloud) spoken.textContent = `${name}. ${lines.map((line) => line.filter(Boolean).join(" ")).join(". ")}`;
      },
      hush() { tip.hidden = true; },
    };
  }

  // ---- The frame of both charts: axes, grid and bounds

  function plane(width, height, margin, xAxis, yAxis, xValues, yValues) {
    const x = scaleOf(xAxis, xValues, margin.left, width - margin.right);
    const y = scaleOf(yAxis, yValues, height - margin.bottom, margin.top);
    const canvas = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, tabindex: "0", role: "application", "aria-roledescription": "chart",
    });
    const bottom = height - margin.bottom, right = width - margin.right;
    for (const tick of y.ticks) {
      const at = y.place(tick);
      canvas.append(svg("line", { class: tick === 0 && yAxis.unit === "change" ? "zero-line" : "grid", x1: margin.left, x2: right, y1: at, y2: at }));
      canvas.append(svg("text", { x: margin.left - 9, y: at + 4, "text-anchor": "end" }, tickText(yAxis.unit, tick)));
    }
    let taken = -Infinity;
    for (const tick of x.ticks) {
      const at = x.place(tick), said = xAxis.text ? xAxis.text(tick) : tickText(xAxis.unit, tick);
      if (at - 3.4 * said.length < taken) continue;
      taken = at + 3.4 * said.length + 8;
      canvas.append(svg("line", { class: "grid", x1: at, x2: at, y1: margin.top, y2: bottom }));
      canvas.append(svg("text", { x: at, y: bottom + 18, "text-anchor": "middle" }, said));
    }
    const bound = (axis, scale, isX) => {
      if (!axis.limit || !scale.inside(axis.limit.at)) return;
      const at = scale.place(axis.limit.at);
      const better = axis.better === "less" ? "high" : "low";
      const edge = scale.place(scale[better]);
      if (isX) {
        canvas.append(svg("rect", { class: "beyond", x: Math.min(at, edge), width: Math.abs(edge - at), y: margin.top, height: bottom - margin.top }));
        canvas.append(svg("line", { class: "bound", x1: at, x2: at, y1: margin.top, y2: bottom }));
        canvas.append(svg("text", { class: "bound-label", x: at - 6, y: margin.top + 12, "text-anchor": "end" }, `${axis.limit.label} ${tickText(axis.unit, axis.limit.at)}`));
      } else {
        canvas.append(svg("rect", { class: "beyond", x: margin.left, width: right - margin.left, y: Math.min(at, edge), height: Math.abs(edge - at) }));
        canvas.append(svg("line", { class: "bound", x1: margin.left, x2: right, y1: at, y2: at }));
        const above = axis.better === "less" ? at - 6 : at + 15;
        canvas.append(svg("text", { class: "bound-label", x: margin.left + 6, y: above }, `${axis.limit.label} ${tickText(axis.unit, axis.limit.at)}`));
      }
    };
    bound(yAxis, y, false);
    bound(xAxis, x, true);
    const hint = { less: ["← better", "↓ better"], more: ["better →", "↑ better"] };
    const label = (axis, isX) => {
      const said = svg("text", { class: "axis-label", x: isX ? right : 2, y: isX ? height - 4 : 13, "text-anchor": isX ? "end" : "start" });
      said.append(svg("tspan", {}, axis.label));
      if (axis.better) said.append(svg("tspan", { class: "hint", dx: 8 }, hint[axis.better][isX ? 0 : 1]));
      canvas.append(said);
    };
    label(yAxis, false);
    label(xAxis, true);
    return { canvas, x, y, right, bottom };
  }

  // ---- Scatter: variants, plans

  function scatter(frame, name, data) {
    const state = { x: data.x[0].key, y: data.y[0].key };
    const hueOf = order(data.points, "hue", data.hue_order), shapeOf = order(data.points, "shape", data.shape_order);
    const bar = html("div", { class: "choices" }), room = html("div"), note = html("p", { class: "note" });
    const axis = (side) => data[side].find((a) => a.key === state[side]);
    let canvas, marks = [], picked = -1, kept = null;
    const talk = talker(frame, () => canvas);
    const hidden_words = new Set(), card = html("div", { class: "card" });
    card.hidden = true;
    for (const [key, title] of data.filters || []) {
      const present = (key === "hue" ? hueOf : shapeOf).present;
      if (present.length > 1) bar.append(toggles(title, `${name}-${key}`, present, (word, on) => {
        hidden_words[on ? "delete" : "add"](`${key} ${word}`);
        redraw();
      }));
    }
    if (data.y.length > 1) bar.append(choices("Up", `${name}-y`, data.y.map((a) => [a.key, a.label]), state.y, (v) => { state.y = v; redraw(); }));
    if (data.x.length > 1) bar.append(choices("Across", `${name}-x`, data.x.map((a) => [a.key, a.label]), state.x, (v) => { state.x = v; redraw(); }));
    frame.prepend(bar, room, keys(data.points, hueOf, shapeOf, false), note, card);

    // A mark that is chosen, by a click or Enter, stays beside the plot with the parts of its cost.
    function keep(index) {
      kept = index < 0 ? null : marks[index].point;
      card.hidden = !kept;
      if (!kept) return;
      const facts = html("dl");
      for (const [term, value] of [...kept.more, ...(kept.parts || [])]) facts.append(html("div", {}, html("dt", {}, term || "note"), html("dd", {}, value)));
      const close = html("button", { type: "button" }, "Close");
      close.addEventListener("click", () => { keep(-1); redraw(); canvas.focus(); });
      card.replaceChildren(html("p", {}, html("b", {}, kept.name), " ", close), facts);
    }

    function pick(index, aloud) {
      picked = index;
      canvas.querySelector(".aim")?.remove();
      if (index < 0) { talk.hush(); return; }
      const { x, y, point } = marks[index];
      canvas.append(svg("circle", { class: "aim", cx: x, cy: y, r: 12 }));
      talk.say(x * canvas.clientWidth / canvas.viewBox.baseVal.width, y * canvas.clientWidth / canvas.viewBox.baseVal.width, point.name, point.more, aloud);
    }

    function redraw() {
      const width = Math.max(280, room.clientWidth), narrow = width < 560;
      const height = narrow ? 330 : 420;
      const margin = { left: narrow ? 62 : 76, right: 14, top: 28, bottom: 46 };
      const xAxis = axis("x"), yAxis = axis("y");
      const value = (point, a) => (point.values[a.key] || [null])[0];
      const wanted = (p) => p.standing === "chosen" || (data.filters || []).every(([key]) => !hidden_words.has(`${key} ${p[key]}`));
      const shown = data.points.filter((p) => value(p, xAxis) !== null && value(p, yAxis) !== null && wanted(p));
      // Where quality is drawn every interval counts; else only that of the chosen one, which is the only one drawn.
      const hasInterval = (p, a) => a.unit === "change" || a.unit === "metric" || p.standing === "chosen";
      const reach = (a) => shown.flatMap((p) => (hasInterval(p, a) ? p.values[a.key] : [value(p, a)]));
      const drawn = plane(width, height, margin, xAxis, yAxis, reach(xAxis), reach(yAxis));
      canvas = drawn.canvas;
      canvas.setAttribute("aria-label", `${data.label}: ${yAxis.label} against ${xAxis.label}, ${shown.length} points. Arrow keys go from point to point.`);
      // The chosen one last, so that nothing lies on it; the lost first.
      const rank = { lost: 0, front: 1, chosen: 2 };
      marks = shown
        .map((point) => {
          const up = value(point, yAxis), room = drawn.y.inside(up) ? 0 : 18;
          return { point, x: drawn.x.place(value(point, xAxis)), y: drawn.y.place(up) - room };
        })
        .sort((a, b) => rank[a.point.standing] - rank[b.point.standing]);
      const boxes = marks.map(({ x, y }) => [x - 8, y - 8, x + 8, y + 8]);
      for (const { point, x, y } of marks) {
        const group = svg("g", { class: `${point.standing} ${hueClass(hueOf(point.hue))}` });
        const [, low, high] = point.values[yAxis.key];
        const whisker = low !== undefined && low !== null && high !== null && hasInterval(point, yAxis);
        if (whisker) group.append(svg("line", { class: "whisker", x1: x, x2: x, y1: drawn.y.place(low), y2: drawn.y.place(high) }));
        if (!drawn.y.inside(value(point, yAxis))) group.append(svg("path", { class: "whisker", fill: "none", d: `M${x} ${y + 8}v8m-4 -5l4 5l4 -5` }));
        group.append(draw(shapeOf(point.shape), x, y, shown.length > 15 ? 5 : 6.5));
        if (point.standing === "chosen") group.append(svg("circle", { class: "halo", cx: x, cy: y, r: 11 }));
        if (point === kept) group.append(svg("circle", { class: "halo kept", cx: x, cy: y, r: 14 }));
        canvas.append(group);
      }
      // Names stand beside their marks wherever there is room; the chosen one has the first choice of places.
      for (const { point, x, y } of [...marks].reverse()) {
        if (shown.length > 15 && point.standing !== "chosen") continue;
        const wide = point.name.length * (point.standing === "chosen" ? 6.9 : 6.2);
        const off = point.standing === "chosen" ? 17 : 12;
        const places = [[x + off, y + 4, "start"], [x - off, y + 4, "end"], [x, y - off - 2, "middle"], [x, y + off + 10, "middle"], [x + off, y - 10, "start"], [x - off, y - 10, "end"], [x + off, y + 18, "start"], [x - off, y + 18, "end"], [x + 8, y - 22, "start"], [x - 8, y - 22, "end"], [x + 8, y + 32, "start"]];
        for (const [left, base, anchor] of places) {
          const from = anchor === "start" ? left : anchor === "end" ? left - wide : left - wide / 2;
          const box = [from, base - 11, from + wide, base + 4];
          const free = from > margin.left && from + wide < width - 2 && base > margin.top + 8 && base < drawn.bottom - 4;
          const own = ([a, b]) => a === x - 8 && b === y - 8;
          const clear = boxes.every((b) => own(b) || b[0] > box[2] || b[2] < box[0] || b[1] > box[3] || b[3] < box[1]);
          if (!free || !clear) continue;
          boxes.push(box);
          const group = svg("g", { class: point.standing });
          group.append(svg("text", { class: "name-label", x: left, y: base, "text-anchor": anchor }, point.name));
          canvas.append(group);
          break;
        }
      }
      const hidden = data.points.filter(wanted).length - shown.length;
      const beyond = [xAxis, yAxis].filter((a, i) => a.limit && !(i ? drawn.y : drawn.x).inside(a.limit.at)).map((a) => `The ${a.limit.label}, ${tickText(a.unit, a.limit.at)}, lies outside the plot.`);
      const pinned = marks.filter(({ point }) => !drawn.y.inside(value(point, yAxis))).map(({ point }) => `${point.name} lies below the scale, at ${tickText(yAxis.unit, value(point, yAxis))}.`);
      note.textContent = [...pinned, ...beyond, hidden ? `${hidden} without a known value are not drawn.` : ""].filter(Boolean).join(" ");
      note.hidden = !note.textContent;
      marks.sort((a, b) => a.x - b.x || a.y - b.y);
      picked = -1;
      talk.hush();
      room.replaceChildren(canvas);
      listen();
    }

    function listen() {
      const nearest = (event) => {
        const box = canvas.getBoundingClientRect(), zoom = canvas.viewBox.baseVal.width / box.width;
        const x = (event.clientX - box.left) * zoom, y = (event.clientY - box.top) * zoom;
        const away = marks.map((m) => Math.hypot(m.x - x, m.y - y));
        const best = away.indexOf(Math.min(...away));
        return away[best] < 36 ? best : -1;
      };
      canvas.addEventListener("pointermove", (event) => { const found = nearest(event); if (found !== picked) pick(found, false); });
      canvas.addEventListener("pointerdown", (event) => {
        const found = nearest(event);
        if (data.filters) { keep(found); redraw(); }
        pick(found, false);
      });
      canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") pick(-1, false); });
      canvas.addEventListener("blur", () => pick(-1, false));
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (event.key === "Escape") { pick(-1, false); return; }
        if (event.key === "Enter" && data.filters && picked >= 0) {
          const at = picked;
          keep(at);
          redraw();
          canvas.focus();
          pick(at, true);
          return;
        }
        if (event.key === "Home") pick(0, true);
        else if (event.key === "End") pick(marks.length - 1, true);
        else if (step) pick(picked < 0 ? (step > 0 ? 0 : marks.length - 1) : (picked + step + marks.length) % marks.length, true);
        else return;
        event.preventDefault();
      });
    }
    return { room, redraw };
  }

  // ---- Curves: latency over batch

  function curves(frame, name, data) {
    const state = { threads: String(data.threads[0]) };
    const hueOf = order(data.series, "hue", data.hue_order), shapeOf = order(data.series, "shape", data.shape_order);
    const bar = html("div", { class: "choices" }), room = html("div"), legend = html("div"), note = html("p", { class: "note" });
    const said = data.threads.map((n) => [String(n), n === 1 ? "1 thread" : `${n} threads`]);
    let canvas, marks = [], picked = -1;
    const talk = talker(frame, () => canvas);
    if (said.length > 1) bar.append(choices("Measured with", `${name}-threads`, said, state.threads, (v) => { state.threads = v; redraw(); }));
    legend.append(keys(data.series, hueOf, shapeOf, true));
    frame.prepend(bar, room, legend, note);

    function pick(index, aloud) {
      picked = index;
      canvas.querySelector(".aim")?.remove();
      canvas.querySelectorAll(".picked").forEach((node) => node.classList.remove("picked"));
      frame.classList.toggle("picking", index >= 0);
      if (index < 0) { talk.hush(); return; }
      const { x, y, group, line, point } = marks[index];
      group.classList.add("picked");
      canvas.append(svg("circle", { class: "aim", cx: x, cy: y, r: 7 }));
      const [batch, low, median, high] = point;
      const lines = [
        [batch === 1 ? "1 row" : `${batch} rows`, tickText("time", low)],
        ["median", tickText("time", median)], ["90th percentile", tickText("time", high)],
        ["pace", tickText("pace", batch / low)],
      ];
      const zoom = canvas.clientWidth / canvas.viewBox.baseVal.width;
      talk.say(x * zoom, y * zoom, line.name, lines, aloud);
    }

    function redraw() {
      const width = Math.max(280, room.clientWidth), narrow = width < 640;
      const height = narrow ? 360 : 440;
      const longest = Math.max(...data.series.map((s) => s.name.length));
      const margin = { left: narrow ? 58 : 66, right: narrow ? 12 : 22 + 6.6 * longest, top: 28, bottom: 46 };
      const shown = data.series.filter((s) => s.points[state.threads].length);
      const points = shown.flatMap((s) => s.points[state.threads]);
      const batches = [...new Set(points.map((p) => p[0]))].sort((a, b) => a - b);
      // Batches double, so their axis is their logarithm, with a tick at each measured one.
      const from = Math.log2(batches[0]), to = Math.log2(batches[batches.length - 1]) || 1;
      const xAxis = {
        key: "batch", label: "rows in the batch", unit: "count", ticks: batches.map(Math.log2),
        text: (v) => `${Math.round(2 ** v)}`,
      };
      const yAxis = { key: "latency", label: "time of one call", unit: "time", better: "less", limit: data.limit };
      const drawn = plane(width, height, margin, xAxis, yAxis, [from, to], points.flatMap((p) => [p[1], p[3]]));
      canvas = drawn.canvas;
      canvas.setAttribute("aria-label", `${data.label} with ${state.threads} threads, ${shown.length} variants. Left and right change the batch, up and down the variant.`);
      const rank = { lost: 0, front: 1, chosen: 2 };
      marks = [];
      const ends = [];
      for (const line of [...shown].sort((a, b) => rank[a.standing] - rank[b.standing])) {
        const own = line.points[state.threads].map((p) => ({ p, x: drawn.x.place(Math.log2(p[0])) }));
        const group = svg("g", { class: `series ${line.standing} ${hueClass(hueOf(line.hue))}` });
        const upper = own.map(({ p, x }) => `${x} ${drawn.y.place(p[3])}`);
        const lower = own.map(({ p, x }) => `${x} ${drawn.y.place(p[1])}`);
        group.append(svg("path", { class: "band", d: `M${upper.join("L")}L${[...lower].reverse().join("L")}Z` }));
        group.append(svg("path", { class: "line", d: `M${lower.join("L")}`, "stroke-dasharray": DASHES[shapeOf(line.shape) % 5] }));
        for (const { p, x } of own) {
          const y = drawn.y.place(p[1]);
          group.append(svg("circle", { class: "mark", cx: x, cy: y, r: line.standing === "chosen" ? 4 : 3 }));
          marks.push({ x, y, group, line, point: p });
        }
        canvas.append(group);
        ends.push({ line, group, y: drawn.y.place(own[own.length - 1].p[1]), x: own[own.length - 1].x });
      }
      if (!narrow) {
        // Names stand at the ends of their lines, pushed apart from the top down, then back up if they run out.
        ends.sort((a, b) => a.y - b.y);
        ends.forEach((end, i) => { end.at = Math.max(end.y, i ? ends[i - 1].at + 16 : margin.top); });
        for (let i = ends.length - 1; i >= 0; i--)
          ends[i].at = Math.min(ends[i].at, i < ends.length - 1 ? ends[i + 1].at - 16 : drawn.bottom);
        for (const { line, group, x, y, at } of ends) {
          group.append(svg("path", { class: "grid", fill: "none", d: `M${x + 6} ${y}L${drawn.right + 4} ${at}` }));
          group.append(svg("text", { class: "name-label", x: drawn.right + 9, y: at + 4 }, line.name));
        }
      }
      note.textContent = drawn.y.inside(data.limit.at) ? "" : `The ${data.limit.label}, ${tickText("time", data.limit.at)}, lies outside the plot.`;
      note.hidden = !note.textContent;
      picked = -1;
      talk.hush();
      frame.classList.remove("picking");
      room.replaceChildren(canvas);
      listen(batches, shown);
    }

    function listen(batches, shown) {
      const nearest = (event) => {
        const box = canvas.getBoundingClientRect(), zoom = canvas.viewBox.baseVal.width / box.width;
        const x = (event.clientX - box.left) * zoom, y = (event.clientY - box.top) * zoom;
        const away = marks.map((m) => Math.hypot(m.x - x, m.y - y));
        const best = away.indexOf(Math.min(...away));
        return away[best] < 44 ? best : -1;
      };
      const find = (line, batch) => marks.findIndex((m) => m.line === line && m.point[0] === batch);
      canvas.addEventListener("pointermove", (event) => { const found = nearest(event); if (found !== picked) pick(found, false); });
      canvas.addEventListener("pointerdown", (event) => pick(nearest(event), false));
      canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") pick(-1, false); });
      canvas.addEventListener("blur", () => pick(-1, false));
      canvas.addEventListener("keydown", (event) => {
        const across = { ArrowRight: 1, ArrowLeft: -1 }[event.key] || 0, along = { ArrowUp: -1, ArrowDown: 1 }[event.key] || 0;
        if (event.key === "Escape") { pick(-1, false); return; }
        if (!across && !along) return;
        event.preventDefault();
        if (picked < 0) { pick(find(shown.find((s) => s.standing === "chosen") || shown[0], batches[0]), true); return; }
        const { line, point } = marks[picked];
        const column = marks.filter((m) => m.point[0] === point[0]).sort((a, b) => a.y - b.y);
        const next = column[(column.findIndex((m) => m.line === line) + along + column.length) % column.length];
        const batch = batches[(batches.indexOf(point[0]) + across + batches.length) % batches.length];
        const found = across ? find(line, batch) : marks.indexOf(next);
        if (found >= 0) pick(found, true);
      });
    }
    return { room, redraw };
  }

  for (const [name, data] of Object.entries(story)) {
    const frame = document.getElementById(`chart-${name}`);
    const chart = { scatter, curves }[data.kind](frame, name, data);
    let width = 0;
    new ResizeObserver(() => {
      if (chart.room.clientWidth === width) return;
      width = chart.room.clientWidth;
      chart.redraw();
    }).observe(chart.room);
    chart.redraw();
  }

  // ---- Tables

  function sortable(table) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = html("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const upward = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", upward ? "ascending" : "descending");
        const order = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent;
        const compare = new Intl.Collator("en", { numeric: true }).compare;
        const rows = [...body.rows].sort((a, b) => {
          const [p, q] = [order(a), order(b)];
          // What is unknown stays at the end in both directions.
          if (p === "" || q === "") return (p === "") - (q === "");
          const numbers = !Number.isNaN(Number(p)) && !Number.isNaN(Number(q));
          return (upward ? 1 : -1) * (numbers ? Number(p) - Number(q) : compare(p, q));
        });
        body.append(...rows);
      });
    });
  }

  function filterable(table) {
    const body = table.tBodies[0];
    if (body.rows.length < 8) return;
    const input = html("input", { type: "search", placeholder: "Filter", "aria-label": `Filter: ${table.getAttribute("aria-label")}` });
    const count = html("span", { "aria-live": "polite" });
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of body.rows) {
        const said = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => said.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = wanted.length ? `${shown} of ${body.rows.length}` : "";
    });
    table.closest(".scroll").before(html("div", { class: "filter" }, input, count));
  }

  for (const table of document.querySelectorAll("table")) {
    const abilities = table.dataset.abilities.split(" ");
    if (abilities.includes("sort")) sortable(table);
    if (abilities.includes("filter")) filterable(table);
  }

  // ---- Drawings that stand without a script: here their marks speak, and the arrow keys go from one to the next

  for (const frame of document.querySelectorAll(".drawn")) {
    const marks = [...frame.querySelectorAll("[data-tip]")];
    if (!marks.length) continue;
    const talk = talker(frame, () => frame);
    let picked = -1;
    const say = (index, aloud) => {
      frame.querySelector(".told")?.classList.remove("told");
      picked = index;
      if (index < 0) { talk.hush(); return; }
      const mark = marks[index], box = frame.getBoundingClientRect(), own = mark.getBoundingClientRect();
      const [name, lines] = JSON.parse(mark.dataset.tip);
      mark.classList.add("told");
      talk.say(own.left - box.left + Math.min(own.width, 24) / 2, own.top - box.top + own.height / 2, name, lines, aloud);
    };
    marks.forEach((mark, index) => {
      // The drawing's own title would stand beside what is said here.
      mark.querySelector("title")?.remove();
      mark.removeAttribute("title");
      mark.addEventListener("pointerenter", () => say(index, false));
      mark.addEventListener("pointerdown", () => say(index, false));
      mark.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") say(-1, false); });
    });
    const stop = frame.querySelector(".room, .stack");
    stop.setAttribute("tabindex", "0");
    stop.setAttribute("aria-roledescription", "chart");
    stop.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") { say(-1, false); return; }
      if (event.key === "Home") say(0, true);
      else if (event.key === "End") say(marks.length - 1, true);
      else if (step) say(picked < 0 ? (step > 0 ? 0 : marks.length - 1) : (picked + step + marks.length) % marks.length, true);
      else return;
      event.preventDefault();
    });
    stop.addEventListener("blur", () => say(-1, false));
  }

  // ---- Explanations: a link to one opens it, also in browsers that do not do so by themselves

  const open = () => {
    const steps = location.hash.startsWith("#price-") && document.getElementById(location.hash.slice(1));
    const details = steps && steps.closest("details");
    if (!details || details.open) return;
    details.open = true;
    steps.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  // ---- Theme, and where the reader is

  const root = document.documentElement, button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = (write) => { try { return write ? localStorage.setItem("theme", write) : localStorage.getItem("theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`); };
  if (remembered()) root.dataset.theme = remembered();
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remembered(root.dataset.theme); name(); });
  system.addEventListener("change", name);
  name();

  const links = [...document.querySelectorAll(".links a")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const link = links.find((a) => a.hash === `#${entry.target.id}`);
      if (entry.isIntersecting) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-35% 0px -60% 0px" });
  document.querySelectorAll(".chapter").forEach((chapter) => watcher.observe(chapter));
})();
