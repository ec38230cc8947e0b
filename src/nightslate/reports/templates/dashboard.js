"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [issue, since, until, theme] = ["issue", "since", "until", "theme"].map(byId);
  const MISSING = "\u2013";
  const DAY = 86400000;

  const rounded = (value, digits = 3) => {
    if (value !== 0 && Math.abs(value) < 1e-6) return value.toExponential(digits - 1).replaceAll("-", "\u2212");
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value) || 1)));
    const written = value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
    return written.replace("-", "\u2212");
  };
  const duration = (seconds) => {
    if (seconds < 60) return `${rounded(seconds, 2)} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const short = (name) => (name.length <= 60 ? name : `${name.slice(0, 59)}\u2026`);
  const WRITTEN = {
    text: short,
    day: String,
    night: (value, row) => {
      if (!row.pages.split(" ").includes(chosen())) return value;
      return Object.assign(document.createElement("a"), { href: `${issue ? `${issue.value}/` : ""}${value}.html`, textContent: value });
    },
    number: (value) => (value === 0 ? "0" : rounded(value)),
    count: (value) => value.toLocaleString("en"),
    share: (value) => `${rounded(100 * value)} %`,
    seconds: duration,
    yes_or_no: (value) => (value ? "yes" : "no"),
  };

  /* Rows come in the order of nights. */
  const decoded = (columns) => {
    const names = Object.keys(columns);
    const values = names.map((name) => {
      const column = columns[name];
      return Array.isArray(column) ? column : column.at.map((place) => (place === null ? null : column.values[place]));
    });
    return (values[0] || []).map((_, i) => {
      const row = Object.fromEntries(names.map((name, n) => [name, values[n][i]]));
      return { ...row, at: Date.parse(row.day) };
    });
  };
  /* In the order in which they come first: what comes later takes no colour from what was there. */
  const distinct = (rows, field) => [...new Set(rows.map((row) => row[field]))];
  const colourOf = (name, place) => `var(--${name === page.others ? "muted" : page.colours[place % page.colours.length]})`;
  const dashOf = (place) => page.dashes[place % page.dashes.length];

  const swatch = (name, place) => {
    const box = document.createElement("span");
    box.innerHTML = '<svg width="26" height="4" aria-hidden="true"><line x1="0" x2="26" y1="2" y2="2" stroke-width="3"/></svg>';
    const line = box.querySelector("line");
    line.setAttribute("stroke", colourOf(name, place));
    line.setAttribute("stroke-dasharray", dashOf(place).join(" "));
    return box.firstElementChild;
  };

  class Section {
    constructor(name, data) {
      this.place = byId(name);
      this.data = data;
      this.rows = decoded(data.rows);
      this.boxes = [...this.place.querySelectorAll(".chart")];
      this.views = [];
      this.tiles = [...document.querySelectorAll(`[data-tile="${name}"]`)];
      this.told = data.charts.map(({ by }) => by);
      this.picks = data.picks.map(([field, one]) => ({ field, one, place: this.place.querySelector(`[data-pick="${field}"]`) }));
      for (const pick of this.picks) pick.place.addEventListener("change", () => this.show());
    }

    /* The rows of the chosen issue, whatever else is picked: what there is to pick, and what colours are for. */
    ofIssue() {
      return this.rows.filter((row) => !("issue" in row) || row.issue === chosen());
    }

    offer() {
      const rows = this.ofIssue();
      const newest = rows.filter((row) => row.day === rows.at(-1).day);
      for (const { field, one, place } of this.picks) {
        if (one) { // beginning with what the newest night leads with
          place.replaceChildren(...distinct([...newest, ...rows], field).map((name) => new Option(short(name), name)));
          continue;
        }
        const names = distinct(rows, field);
        const boxes = names.map((name) => {
          const label = document.createElement("label");
          const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: true });
          label.append(box, ...(this.told.includes(field) ? [swatch(name, namesOf(field).indexOf(name))] : []), short(name));
          return label;
        });
        place.replaceChildren(place.firstElementChild, ...boxes);
      }
    }

    picked() {
      const sets = this.picks.map(({ field, one, place }) => [
        field, new Set(one ? [place.value] : [...place.querySelectorAll(":checked")].map((box) => box.value)),
      ]);
      return this.ofIssue().filter((row) => sets.every(([field, names]) => names.has(row[field])));
    }

    show() {
      const rows = this.picked().filter(inRange);
      this.place.querySelector(".empty").hidden = rows.length > 0;
      this.place.querySelector(".figures").hidden = rows.length === 0;
      const newest = rows.filter((row) => row.day === rows.at(-1).day);
      this.table(this.data.newest ? newest : rows.toReversed());
      this.tell();
      this.draw(rows, newest);
    }

    /* The figures of the first screen, whatever is picked here. */
    tell() {
      const rows = this.ofIssue().filter(inRange);
      const newest = rows.filter((row) => row.day === rows.at(-1).day);
      this.data.tiles.forEach(([field, written, where, interval], i) => {
        const row = newest.find((each) => Object.entries(where).every(([name, value]) => each[name] === value));
        const told = (name) => (row && row[name] !== null ? WRITTEN[written](row[name], row) : MISSING);
        const known = row && row.lower !== null;
        const reach = () => Object.assign(document.createElement("small"), { textContent: known ? `${told("lower")} to ${told("upper")}` : "no interval yet" });
        this.tiles[i].replaceChildren(told(field), ...(interval ? [reach()] : []));
      });
    }

    /* One drawing after another: what has been asked for since, the last of them draws. */
    draw(rows, newestRows) {
      const asked = (this.asked = (this.asked ?? 0) + 1);
      const before = this.drawn;
      this.drawn = (async () => {
        await before;
        if (asked !== this.asked || !rows.length) return;
        this.views.forEach((view) => view.finalize());
        this.views = await Promise.all(this.boxes.map((box, i) => this.chart(box, this.data.charts[i], rows, newestRows)));
      })();
    }

    async chart(box, { spec, by, newest, rowHeight }, rows, newestRows) {
      const names = by === null ? [] : namesOf(by);
      const named = JSON.stringify(spec)
        .replaceAll('["*names"]', () => JSON.stringify(names))
        .replaceAll('["*colours"]', () => JSON.stringify(names.map(colourOf)));
      const whole = JSON.parse(named);
      const shown = newest ? newestRows : rows;
      whole.datasets = { ...whole.datasets, rows: shown };
      if (rowHeight) whole.height = rowHeight * shown.length;
      const view = await vegaEmbed(box, whole, { renderer: "svg", actions: false });
      box.querySelector("svg").setAttribute("aria-hidden", "true"); // the box says what it shows
      return view;
    }

    table(rows) {
      this.place.querySelector(".of").textContent = this.data.newest && rows.length ? `, ${rows[0].day}` : "";
      this.place.querySelector("tbody").replaceChildren(...rows.map((row) => {
        const line = document.createElement("tr");
        for (const [field, written] of this.data.columns) {
          const cell = line.insertCell();
          const value = row[field];
          cell.replaceChildren(value === null ? MISSING : WRITTEN[written](value, row));
          cell.className = ["text", "day", "night"].includes(written) ? "name" : "number";
        }
        return line;
      }));
    }
  }

  const chosen = () => (issue ? issue.value : Object.keys(page.issues)[0]);
  const inRange = (row) => since.value <= row.day && row.day <= until.value;
  const sections = Object.entries(page.sections).map(([name, data]) => new Section(name, data));

  /* What a column of the shown issue names, in any section: a name is drawn in the same way in all of them. */
  const known = new Map();
  const namesOf = (field) => {
    const key = JSON.stringify([chosen(), field]);
    if (!known.has(key)) {
      const rows = sections.flatMap((section) => section.ofIssue()).filter((row) => field in row);
      known.set(key, distinct(rows, field));
    }
    return known.get(key);
  };

  const show = () => {
    document.querySelectorAll("[data-unit]").forEach((place) => { place.textContent = page.issues[chosen()][place.dataset.unit]; });
    sections.forEach((section) => section.show());
    const nights = Math.round((Date.parse(until.value) - Date.parse(since.value)) / DAY) + 1;
    byId("shown").textContent = nights > 0
      ? `Nights of ${since.value} to ${until.value}${issue ? `, issue ${chosen()}` : ""}.`
      : "There is no night in this range: it begins after it ends.";
  };
  const offer = () => sections.forEach((section) => section.offer());

  issue?.addEventListener("change", () => { offer(); show(); });
  for (const input of [since, until]) input.addEventListener("change", () => { input.value ||= input.defaultValue; show(); });
  byId("all").addEventListener("click", () => {
    for (const input of [since, until]) input.value = input.defaultValue;
    show();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  const themed = () => { document.documentElement.dataset.theme = theme.value; };
  theme.addEventListener("change", themed);
  offer();
  show();
  /* Whoever drives the page can wait for what it draws. */
  window.drawn = async () => { await Promise.all(sections.map((section) => section.drawn)); };
})();
