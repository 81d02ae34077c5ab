"use strict";
// Shows panels: window.paceline.show(section, {html, figures}) fills a <section> that has a .body, and may be called
// again with newer contents: figures are updated in place, tables stay sorted and details unfolded as they were.
window.paceline = (() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  // On a dark page: the brighter ones of the same palette (Okabe and Ito), made for people who see fewer colours too.
  const brighter = {"#0072B2": "#56B4E9", "#D55E00": "#E69F00", "#009E73": "#2BC79A", "#767676": "#9AA4AE"};
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function coloured(value) {
    if (typeof value === "string") return brighter[value] || value;
    if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(coloured);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, coloured(entry)]));
    }
    return value;
  }

  function themed(layout) {
    const ink = css("--ink"), grid = css("--grid");
    const axes = {};
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) {
        axes[name] = {gridcolor: grid, linecolor: grid, zerolinecolor: grid, ...layout[name]};
      }
    }
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true, uirevision: "kept",
      font: {color: ink, family: "system-ui, sans-serif", size: 13},
      modebar: {bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: ink},
      hoverlabel: {bgcolor: css("--card"), bordercolor: grid, font: {color: ink}, align: "left"},
      ...layout, ...axes,
      legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0, ...layout.legend},
    };
  }

  // Never rejects: a figure that cannot be drawn says so, and the others are shown all the same.
  async function draw(place, figure) {
    place.figure = figure;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const data = dark.matches ? coloured(figure.data) : figure.data;
    const layout = themed(dark.matches ? coloured(figure.layout) : figure.layout);
    // these buttons and no others: some of Plotly's own would send the figure to a server
    const buttons = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];
    const options = {responsive: true, displaylogo: false, modeBarButtons: [buttons]};
    if (place.clientWidth < 600) options.displayModeBar = false; // it would cover the legend
    if (calm) layout.transition = {duration: 0};
    if (place.dataset.drawn === "failed") place.replaceChildren();
    try {
      await Plotly.react(place, data, layout, options);
      place.dataset.drawn = "yes";
    } catch (error) {
      Plotly.purge(place); // the next one is drawn anew
      place.textContent = `This figure cannot be drawn (${error.message ?? error}).`;
      place.dataset.drawn = "failed";
    }
  }

  function compare(one, other) {
    if (one === null || other === null) return (one === null) - (other === null);
    const [a, b] = [Number(one), Number(other)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
    return String(one).localeCompare(String(other), undefined, {numeric: true});
  }

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key ?? (cell.textContent.trim() || null);
  };

  function sort(table, column, direction) {
    const body = table.tBodies[0], sign = direction === "descending" ? -1 : 1;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    // what is not there comes last, either way
    rows.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : sign * compare(a, b)));
    body.append(...rows.map(([, row]) => row));
    [...table.tHead.rows[0].cells].forEach((cell, index) =>
      cell.setAttribute("aria-sort", index === column ? direction : "none"));
  }

  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      cell.setAttribute("aria-sort", "none");
      cell.querySelector("button").addEventListener("click", () =>
        sort(table, column, cell.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending"));
    });
  }

  const sorted = (table) => {
    const cells = [...table.tHead.rows[0].cells];
    const column = cells.findIndex((cell) => !["none", null].includes(cell.getAttribute("aria-sort")));
    return column < 0 ? null : [column, cells[column].getAttribute("aria-sort")];
  };

  // What a reader did to a panel, so that newer contents keep it.
  function kept(body) {
    return {
      plots: new Map([...body.querySelectorAll("[data-figure]")].map(
        (each) => [each.dataset.figure, each.querySelector(".plot")])),
      tables: [...body.querySelectorAll("table.sortable")].map(sorted),
      open: [...body.querySelectorAll("details")].map((each) => each.open),
      scrolled: [...body.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]),
    };
  }

  function show(section, panel) {
    const body = section.querySelector(".body"), before = kept(body);
    if (panel.html !== undefined && panel.html !== null) {
      const fresh = document.createElement("div");
      fresh.innerHTML = panel.html;
      for (const each of fresh.querySelectorAll("[data-figure]")) {
        const old = before.plots.get(each.dataset.figure), place = each.querySelector(".plot");
        if (!old) continue;
        old.setAttribute("aria-label", place.getAttribute("aria-label"));
        place.replaceWith(old);
      }
      body.replaceChildren(...fresh.childNodes);
      restore(body, before);
    }
    const drawn = (panel.figures || []).map((figure) => {
      const place = body.querySelector(`[data-figure="${CSS.escape(figure.name)}"] .plot`);
      return place ? draw(place, figure) : null;
    });
    return Promise.all(drawn);
  }

  function restore(body, before) {
    const tables = [...body.querySelectorAll("table.sortable")];
    tables.forEach((table, index) => {
      sortable(table);
      if (before.tables[index]) sort(table, ...before.tables[index]);
    });
    body.querySelectorAll("details").forEach((each, index) => { each.open = before.open[index] || each.open; });
    body.querySelectorAll(".scroll").forEach((each, index) => {
      if (before.scrolled[index]) [each.scrollLeft, each.scrollTop] = before.scrolled[index];
    });
  }

  // The report: everything is there already but for the figures.
  async function report(figures) {
    document.querySelectorAll("table.sortable").forEach(sortable);
    for (const section of document.querySelectorAll("section[data-panel]")) {
      await show(section, {figures: figures[section.dataset.panel]});
      await new Promise((resume) => setTimeout(resume, 0)); // what is above can be read while the rest is drawn
    }
    document.documentElement.dataset.drawn = "yes";
  }

  function redraw() {
    document.querySelectorAll(".plot").forEach((place) => { if (place.figure) draw(place, place.figure); });
  }

  dark.addEventListener("change", redraw);
  return {show, report};
})();
