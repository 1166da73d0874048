// The page of rows: what the address asks for (#column=value,value&...) as a table; a row opens its origin.
"use strict";
(() => {
  const MOST = 200; // lines drawn at first
  const SHOWN = ["value", "unit", "dataset", "method", "recipe", "metric", "output", "epoch", "n", "seed", "profile", "experiment"];
  const box = document.getElementById("cgn-rows");
  const { columns, experiments, commands, runs } = window.cgnIndex;
  const at = Object.fromEntries(columns.map((name, index) => [name, index]));
  const packed = (window.cgnRows = {}), unpacked = {};

  const element = (tag, attributes = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };
  const inflated = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
  };
  const load = async (name) => {
    if (!packed[name]) {
      await new Promise((resolve, reject) => {
        const script = element("script", { src: `_static/rows/${name}.js`, onload: resolve, onerror: reject });
        document.head.append(script);
      });
    }
    return (unpacked[name] ??= await inflated(packed[name]));
  };
  const asked = () => {
    const found = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries([...found].filter(([name]) => name in at).map(([name, text]) => [name, text.split(",")]));
  };
  const ask = (filters) => {
    const parts = Object.entries(filters).map(([name, values]) => `${name}=${encodeURIComponent(values.join(","))}`);
    location.hash = parts.join("&");
  };

  const command = (text, row) => {
    const is = /^python -m cgnreport\.build run /.test(text);
    const more = is && !text.includes("--profile") ? ` --profile ${row[at.profile]}` : "";
    const seed = is && !text.includes("-p seed") ? ` -p seed ${row[at.seed]}` : "";
    return text + more + seed;
  };
  const origin = (row) => {
    const code = row[at.code], list = element("dl", { className: "cgn-record" });
    const add = (name, ...parts) => list.append(element("dt", {}, name), element("dd", {}, ...parts));
    const known = runs[code] || [];
    const day = known.map((run) => run.committed).find(Boolean);
    add("Commit", element("code", {}, `git show ${code.split(" ").pop()}`), day ? `, of ${day}` : "",
      code.startsWith("before") ? "; computed by changed files that this commit then took in" : "");
    for (const [words, text] of commands[row[at.experiment]] || []) {
      add("Command", `${words}: `, element("code", {}, command(text, row)));
    }
    for (const [name, value] of Object.entries(JSON.parse(row[at.params] || "{}"))) {
      add(name, typeof value === "string" ? value : JSON.stringify(value));
    }
    add("Data", row[at.data]);
    if (row[at.low]) add("95 % over images", `${row[at.low]} to ${row[at.high]}`);
    add("Computed on", [row[at.device], row[at.seconds] && `${row[at.seconds]} s of training`].filter(Boolean).join(", "));
    for (const run of known) {
      const versions = Object.entries(run.libraries || {}).map((pair) => pair.join(" "));
      const gpu = run.gpu ? [run.gpu] : [];
      add("Record", [run.cpu, ...gpu, `${run.threads} threads`, run.system, `Python ${run.python}`, ...versions].join(", "));
    }
    if (!known.length) add("Record", "none is kept of this commit's runs");
    return list;
  };
  const line = (row) => {
    const made = element("tr"), button = element("button", { type: "button", textContent: row[at.code] });
    button.setAttribute("aria-expanded", "false");
    const detail = element("tr", { hidden: true });
    button.onclick = () => {
      if (detail.hidden && !detail.firstChild) detail.append(element("td", { colSpan: SHOWN.length + 1 }, origin(row)));
      detail.hidden = !detail.hidden;
      button.setAttribute("aria-expanded", String(!detail.hidden));
    };
    made.append(element("td", {}, button), ...SHOWN.map((name) => element("td", {}, row[at[name]])));
    return [made, detail];
  };
  const csv = (rows) => {
    const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return [columns, ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
  };

  const draw = async () => {
    const filters = asked(), names = filters.experiment || [];
    const choice = element("select", { onchange: () => ask({ experiment: [choice.value] }) },
      element("option", { value: "" }, "choose"), ...experiments.map((name) => element("option", { value: name }, name)));
    choice.value = names.length === 1 ? names[0] : "";
    const controls = element("p", {}, element("label", {}, "Experiment: ", choice));
    for (const [name, values] of Object.entries(filters).filter(([name]) => name !== "experiment")) {
      const without = () => ask(Object.fromEntries(Object.entries(filters).filter(([other]) => other !== name)));
      const chip = element("button", { type: "button", onclick: without }, `${name}: ${values.join(", ")} ✕`);
      chip.setAttribute("aria-label", `all of ${name}`);
      controls.append(" ", chip);
    }
    if (!names.length) return box.replaceChildren(controls);
    const all = (await Promise.all(names.filter((name) => experiments.includes(name)).map(load))).flat();
    const rows = all.filter((row) => Object.entries(filters).every(([name, values]) => values.includes(row[at[name]])));
    const body = element("tbody"), more = element("button", { type: "button", textContent: `Show all ${rows.length}` });
    const show = (part) => body.append(...part.flatMap(line));
    more.onclick = () => { show(rows.slice(MOST)); more.remove(); };
    show(rows.slice(0, MOST));
    const save = element("a", { download: "rows.csv", textContent: "Save as CSV" });
    save.href = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
    const head = ["commit", ...SHOWN].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), body);
    const count = element("p", {}, `${rows.length} of ${all.length} rows. `, save);
    box.replaceChildren(controls, count, element("div", { className: "cgn-table", tabIndex: 0 }, table));
    if (rows.length > MOST) box.append(more);
  };
  const safely = () => draw().catch(() => box.replaceChildren(element("p", {}, "These rows could not be loaded.")));
  window.addEventListener("hashchange", safely);
  safely();
})();
