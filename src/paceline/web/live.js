// The live page: receives events from the server, fetches what changed, and shows it.
(() => {
  const $ = (id) => document.getElementById(id);
  const title = document.title;
  const pending = new Map(); // section -> content that is not shown yet
  const near = new Set();
  let source = null, seen = "", wanted = "", busy = false, clock = null;

  // -- the head

  function tell(head) {
    document.title = `${head.state} · ${title}`;
    $("state").textContent = head.sentence;
    $("state").dataset.state = head.state;
    $("metric").textContent = head.metric || "score";
    clock = {seconds: head.seconds, heard: performance.now(), ticks: head.state === "running"};
    $("facts").replaceChildren(...[...head.facts, ["time", ""]].map(([name, value]) => {
      const fact = document.createElement("div");
      fact.append(element("dt", name), element("dd", value));
      return fact;
    }));
    tick();
    $("latest").querySelector("tbody").replaceChildren(...head.latest.map((trial) => {
      const row = document.createElement("tr");
      row.append(element("th", trial.number), element("td", trial.state), element("td", trial.epochs),
        element("td", trial.score), element("td", trial.config));
      row.cells[0].scope = "row";
      row.cells[4].title = trial.config;
      row.dataset.state = trial.state;
      return row;
    }));
  }

  function element(tag, text) {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
  }

  function tick() {
    const time = $("facts").lastElementChild?.lastElementChild;
    if (!clock || !time) return;
    const seconds = Math.floor(clock.seconds + (clock.ticks ? (performance.now() - clock.heard) / 1000 : 0));
    const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
    const first = parts.findIndex(([amount], index) => amount > 0 || index === 2);
    time.textContent = parts.slice(first).map(([amount, unit]) => `${amount} ${unit}`).join(" ");
  }

  // -- the panels

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) near.add(entry.target); else near.delete(entry.target);
      if (entry.isIntersecting) show(entry.target);
    }
  }, {rootMargin: "600px"});

  async function take({names, parts}) {
    const panels = names.filter((name) => name.startsWith("panel/"));
    const known = new Map([...$("panels").children].map((section) => [section.dataset.part, section]));
    for (const [name, section] of known) if (!panels.includes(name)) forget(section);
    panels.forEach((name, index) => {
      const section = known.get(name) || begin(name);
      const there = $("panels").children[index];
      if (there !== section) $("panels").insertBefore(section, there || null);
      const panel = parts[name] || {};
      const figures = Object.entries(parts).filter(([part, figure]) => part.startsWith("figure/")
        && figure.panel === section.dataset.panel).map(([, figure]) => figure);
      if (panel.title) section.querySelector("h2").textContent = panel.title;
      if (panel.html === undefined && !figures.length) return;
      const before = pending.get(section) || {figures: []}, newer = new Set(figures.map((figure) => figure.name));
      pending.set(section, {
        html: panel.html ?? before.html,
        figures: [...before.figures.filter((figure) => !newer.has(figure.name)), ...figures],
      });
    });
    for (const section of [...$("panels").children]) {
      if (show(section)) await new Promise((resume) => setTimeout(resume, 0)); // keeps the page responsive
    }
  }

  function begin(name) {
    const section = document.createElement("section"), body = document.createElement("div");
    body.className = "body";
    section.dataset.part = name;
    section.dataset.panel = name.slice("panel/".length);
    section.append(element("h2", ""), body);
    watcher.observe(section);
    return section;
  }

  function forget(section) {
    watcher.unobserve(section);
    near.delete(section);
    pending.delete(section);
    section.querySelectorAll(".plot").forEach((plot) => Plotly.purge(plot));
    section.remove();
  }

  // Shows text at once, unless it is selected, and figures near the window; returns whether anything was shown.
  function show(section) {
    const {html, figures} = pending.get(section) || {figures: []}, selection = document.getSelection();
    if (selection && !selection.isCollapsed && section.contains(selection.anchorNode)) return false;
    if (html === undefined && (!figures.length || !near.has(section))) return false;
    const focus = place(section, document.activeElement);
    paceline.show(section, {html, figures: near.has(section) ? figures : []});
    pending.set(section, {figures: near.has(section) ? [] : figures});
    if (focus) focusable(section)[focus - 1]?.focus({preventScroll: true});
    return true;
  }

  // Index of the focused element among the focusable ones, from 1; 0 if the focus is elsewhere.
  const focusable = (section) => [...section.querySelectorAll("button, summary, .scroll")];
  const place = (section, active) => focusable(section).indexOf(active) + 1;

  // -- the server

  function connect() {
    if (source) return;
    source = new EventSource("events");
    source.onopen = () => say("");
    source.onmessage = (event) => hear(JSON.parse(event.data));
    source.onerror = () => {
      say("The server cannot be reached; trying again …");
      if (source && source.readyState === EventSource.CLOSED) leave(5000);
    };
  }

  function leave(milliseconds) {
    source?.close();
    source = null;
    setTimeout(connect, milliseconds);
  }

  async function hear(told) {
    tell(told.head);
    wanted = told.version;
    if (!document.hidden || told.last) await catchUp();
    if (told.last) {
      leave(5000);
      say("The server of this page has ended; this is its last state. Trying to reconnect every 5 s.");
    }
  }

  async function catchUp() {
    if (busy || wanted === seen) return;
    busy = true;
    try {
      for (let target = null; target !== wanted && wanted !== seen;) {
        target = wanted;
        const signal = AbortSignal.timeout(60000); // a connection may be dead without being closed
        const answer = await fetch(`changes?after=${encodeURIComponent(seen)}`, {signal});
        if (!answer.ok) throw new Error(answer.statusText);
        const changes = await answer.json();
        await take(changes);
        seen = changes.version;
        document.documentElement.dataset.version = seen;
      }
    } catch (error) {
      say(`Changes could not be loaded (${error.message}); trying again …`);
      setTimeout(catchUp, 2000);
    } finally {
      busy = false;
    }
  }

  function say(words) {
    $("connection").textContent = words;
    $("connection").hidden = !words;
  }

  if (location.search) history.replaceState(null, "", location.pathname); // the token is in the cookie now
  document.addEventListener("visibilitychange", () => { if (!document.hidden) catchUp(); });
  document.addEventListener("selectionchange", () => {
    if (document.getSelection().isCollapsed) near.forEach(show);
  });
  setInterval(tick, 1000);
  connect();
})();
