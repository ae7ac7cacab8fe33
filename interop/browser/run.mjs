// The console in a real browser: what people do with it, what it looks like, and what it must never do.
// The rule: nothing is asked of the node but by its pages; every page that is opened is watched for refused scripts, requests elsewhere and errors.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const here = new URL(".", import.meta.url).pathname;
const AXE = readFileSync(join(here, "node_modules/axe-core/axe.min.js"), "utf8");
const SCREENS = process.env.POLDER_SCREENS ?? join(tmpdir(), "polder-screens");
const BINARY = process.env.POLDER_BIN;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => spawnSync(p, ["--version"]).status === 0);
const PATIENCE = 15000;
const only = process.argv.slice(2);

if (!BINARY) throw new Error("POLDER_BIN does not name the polder program; `cargo xtask test` sets it");
if (!CHROMIUM) throw new Error("there is no Chromium; `apt-get install chromium` brings one");

const home = mkdtempSync(join(tmpdir(), "polder-browser-"));
const environment = { ...process.env, POLDER_WIDEN_PERSONS_MIN: "2" };
delete environment.POLDER_SCREENS;
const demo = spawn(BINARY, ["demo", "--json", "--dir", join(home, "demo")], { stdio: ["ignore", "pipe", "inherit"], env: environment });
const ready = await new Promise((resolve, reject) => {
  let text = "";
  demo.stdout.on("data", (part) => {
    text += part;
    if (text.endsWith("\n")) resolve(JSON.parse(text));
  });
  demo.on("exit", (code) => reject(new Error(`the demo ended with ${code}: ${text}`)));
});
const node = (name) => ready.nodes.find((n) => n.name === name);
const login = (name, role) => node(name).console.users.find((u) => u.role === role);
const base = (name) => node(name).console.url.replace(/\/$/, "");
const polder = (...args) => {
  const done = spawnSync(BINARY, ["--dir", node("alfa").dir, ...args], { env: environment, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`polder ${args.join(" ")}: ${done.stdout}${done.stderr}`);
  return done.stdout;
};

const RAISED = "indicator--aee46f31-d353-4cc2-8c05-8942e80ea579";
const ACTOR = "intrusion-set--2775b0e2-d464-40e7-8449-754fdf735a98";
const PAGES = {
  login: "/login", objects: "/objects", search: "/objects?q=spring", object: `/objects/${ACTOR}`, mark: `/objects/${ACTOR}/mark?level=red`, bulk: `/mark?id=${ACTOR}&id=${RAISED}&level=red`,
  edit: `/objects/${ACTOR}/edit`, json: `/objects/${ACTOR}/edit?as=json`, recall: `/recall?id=${ACTOR}`, widen: `/objects/${ACTOR}/widen?level=clear`,
  graph: `/objects/${ACTOR}/graph?hops=2`, dense: `/objects/${ACTOR}/graph?hops=3&most=300`, matrix: "/matrix", import: "/import", new: "/new", report: "/new?kind=report", queue: "/queue", board: "/board", recipient: "/board/bravo",
  ledger: "/ledger?recipient=bravo", policy: "/policy", acts: "/acts", parts: "/styleguide", nowhere: "/nowhere", nothing: "/objects?q=nosuchword",
};

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const faults = [];
let passed = 0;
let failed = 0;

function expect(truth, why) {
  if (!truth) throw new Error(why);
}

async function open(name, more = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...more });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`refused by the policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = await context.newPage();
  const own = base(name).replace("/console", "");
  page.on("request", (r) => {
    if (!r.url().startsWith(own) && !r.url().startsWith("data:")) faults.push(`${page.url()} asked ${r.url()}`);
  });
  page.on("pageerror", (e) => faults.push(`${page.url()}: ${e.message}`));
  page.on("console", (m) => {
    // The browser itself notes answers that say no; the cases ask for those.
    if (m.type() === "error" && !/Failed to load resource/.test(m.text())) faults.push(`${page.url()}: ${m.text()}`);
  });
  page.at = (path) => page.goto(base(name) + path);
  page.as = async (user, password) => {
    await page.at("/login");
    await page.fill("#user", user);
    await page.fill("#password", password);
    await page.click("main button[type=submit]");
    await page.waitForURL(/objects/);
  };
  return page;
}

async function as(role, more, name = "alfa") {
  const page = await open(name, more);
  const who = login(name, role);
  await page.as(who.user, who.password);
  return page;
}

async function test(name, act) {
  if (only.length && !only.some((word) => name.includes(word))) return;
  const started = Date.now();
  const before = faults.length;
  try {
    await act();
    const new_faults = faults.slice(before);
    expect(new_faults.length === 0, new_faults.join("; "));
    passed += 1;
    console.log(`ok   ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${String(error.message ?? error).split("\n").slice(0, 6).join(" ")}`);
  } finally {
    await Promise.all(browser.contexts().map((c) => c.close()));
  }
}

/// Pictures of a page that has no address of its own, and what axe says of it.
const odd = [];
async function look(page, name) {
  mkdirSync(SCREENS, { recursive: true });
  const before = page.viewportSize();
  for (const [form, size] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    await page.setViewportSize(size);
    await page.screenshot({ path: join(SCREENS, `${name}-${form}.png`), fullPage: true });
  }
  await page.setViewportSize(before);
  odd.push(...(await serious(page)).map((v) => `${name} ${v}`));
}

async function serious(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 120)} ${v.nodes[0].any[0]?.message ?? ""}`);
}

const text = (page, selector = "main") => page.locator(selector).innerText();

await test("browser: each role comes in and is led to what it may open", async () => {
  const places = { owner: ["Objects", "Import", "Queue", "Ledger"], analyst: ["Objects", "Import", "Queue"], "release-officer": ["Objects", "Queue"], auditor: ["Objects", "Ledger", "Acts"] };
  for (const [role, wanted] of Object.entries(places)) {
    const page = await as(role);
    const nav = await text(page, "nav.places");
    expect(wanted.every((w) => nav.includes(w)), `${role}: ${nav}`);
    expect(nav.includes("Ledger") === ["owner", "auditor"].includes(role), `${role} and the ledger: ${nav}`);
    for (const link of await page.locator("nav.places a").all()) {
      const answer = await page.request.get(new URL(await link.getAttribute("href"), page.url()).href);
      expect(answer.status() === 200, `${role}: ${await link.innerText()} answers ${answer.status()}`);
    }
  }
});

await test("browser: objects are found as somebody types", async () => {
  const page = await as("analyst");
  await page.evaluate(() => (window.stayed = true));
  await page.fill("#q", "tidewrack");
  await page.waitForFunction(() => document.querySelectorAll("#results tbody tr").length > 0 && [...document.querySelectorAll("#results tbody th")].every((h) => !h.innerText.includes("Lock and barrier")));
  expect((await text(page, "#results")).includes("Tidewrack"), "not found");
  expect(await page.evaluate(() => window.stayed), "the page was loaded anew");
  expect(page.url().includes("q=tidewrack"), `the address says ${page.url()}`);
  await page.reload();
  expect((await text(page, "#results")).includes("Tidewrack"), "the address does not keep the search");
  await page.click("text=Columns");
  await page.check("input[name=col][value=author]");
  await page.waitForFunction(() => document.querySelector("#results thead").innerText.includes("Author"));
  await page.locator("#results tbody th a", { hasText: /^Tidewrack$/ }).first().click();
  expect((await text(page, "h1")).includes("Tidewrack"), "its page");
});

await test("browser: raising a marking, the audience changes before anything is saved", async () => {
  const page = await as("analyst");
  await page.at(`/objects/${RAISED}/mark`);
  await page.selectOption("#level", "red");
  await page.waitForSelector("#outcome table");
  expect((await page.locator("#outcome .change").count()) >= 3, "nobody loses it");
  await page.selectOption("#level", "green");
  await page.waitForFunction(() => document.querySelector("#outcome h2")?.innerText.includes("GREEN"));
  const bravo = await open("alfa");
  const who = node("alfa").users.find((u) => u.recipient === "bravo" && u.user === "bravo");
  await bravo.as(who.user, who.password);
  expect((await bravo.at(`/objects/${RAISED}`)).status() === 200, "it changed before it was saved");
  await page.selectOption("#level", "red");
  await page.waitForFunction(() => document.querySelector("#outcome h2")?.innerText.includes("RED"));
  await page.click("#outcome button.primary");
  await page.waitForURL(/preview/);
  expect((await text(page, ".banner >> nth=0")).includes("TLP:RED"), "the banner");
  expect((await bravo.at(`/objects/${RAISED}`)).status() === 404, "bravo still has it");
});

await test("browser: an object is made, checked as somebody types, and saved", async () => {
  const page = await as("analyst");
  await page.at("/new");
  await page.fill("#name", "Made in a browser");
  await page.fill("#pattern", "[domain-name:value = ");
  await page.waitForFunction(() => /pattern/.test(document.querySelector("#outcome").innerText));
  await page.fill("#pattern", "[domain-name:value = 'made.example']");
  await page.selectOption("#level", "green");
  await page.waitForFunction(() => document.querySelectorAll("#outcome .verdict-release").length >= 3);
  await page.click("main button.primary");
  await look(page, "draft");
  await page.click("text=Save to own");
  expect((await text(page)).includes("1 new"), await text(page));
  await page.at("/objects?q=made+browser");
  expect((await text(page, "#results")).includes("Made in a browser"), "not in the list");
});

await test("browser: an object is found by name for a form, and edited by its own", async () => {
  const page = await as("analyst");
  await page.at("/new");
  await page.fill("#name", "About the gang");
  await page.locator("label", { hasText: "Bravo CSIRT" }).locator("input").check();
  await page.selectOption("#kind", "report");
  await page.waitForSelector("#object_refs");
  const kept = [await page.inputValue("#name"), await page.locator("label", { hasText: "Bravo CSIRT" }).locator("input").isChecked()];
  expect(kept[0] === "About the gang" && kept[1], `another type keeps what was entered: ${kept}`);
  await page.locator("label", { hasText: "Bravo CSIRT" }).locator("input").uncheck();
  await page.fill("[data-pick=object_refs] input", "tidewrack");
  await page.locator("[data-pick=object_refs] .found button", { hasText: "Tidewrack" }).first().waitFor();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp"]) await page.keyboard.press(key);
  expect((await page.evaluate(() => document.activeElement.innerText)).includes("Tidewrack"), "arrow keys lead through what was found");
  await page.keyboard.press("Enter");
  expect(/^[a-z-]+--[0-9a-f-]{36} .*Tidewrack/.test(await page.inputValue("#object_refs")), await page.inputValue("#object_refs"));
  await page.selectOption("#level", "green");
  await page.waitForFunction(() => document.querySelectorAll("#outcome .verdict-release").length >= 3);
  await page.click("main button.primary");
  await page.click("text=Save to own");
  await page.at("/objects?q=about+gang");
  await page.locator("#results tbody th a", { hasText: "About the gang" }).first().click();
  const address = page.url();
  await page.click("text=Edit…");
  await page.fill("#description", "Told by the harbour master.");
  await page.click("text=Labels, confidence, references");
  await page.fill("#confidence", "85");
  await page.selectOption("#level", "red");
  await page.waitForFunction(() => document.querySelector("#outcome").innerText.includes("loses it"));
  await page.selectOption("#level", "green");
  await page.waitForFunction(() => !document.querySelector("#outcome").innerText.includes("loses it") && document.querySelectorAll("#outcome .verdict-release").length >= 3);
  await page.click("main button.primary");
  await page.click("text=Save to own");
  await page.goto(address);
  const said = await text(page);
  expect(said.includes("Told by the harbour master.") && said.includes("85") && (await page.locator(".history li").count()) === 2, said);
});

await test("browser: an object is recalled, and the page says what is known of each copy", async () => {
  const page = await as("analyst");
  await page.at("/objects?q=shared+modem");
  await page.locator("#results tbody th a", { hasText: "Shared modem pool" }).first().click();
  await page.click("text=Recall…");
  expect((await text(page, "#outcome")).includes("loses it"), "who would lose it");
  await page.click("button.danger");
  await page.waitForURL(/recall/);
  const said = await text(page);
  expect(said.includes("Recalled at") && said.includes("cannot be recalled") && said.includes("Nobody but your organisation"), said);
  await look(page, "receipts");
  const officer = await as("release-officer");
  await officer.goto(page.url());
  await officer.click("text=Back to the object");
  expect((await text(officer)).includes("Taken back"), "the head of its page");
  await look(officer, "taken-back");
  await officer.click("text=Widen…");
  await officer.locator("label", { hasText: "Bravo CSIRT" }).locator("input").check();
  await officer.waitForFunction(() => document.querySelector("#outcome").innerText.includes("gains it"));
  await officer.click("text=Propose it");
  await officer.waitForURL(/queue/);
  const owner = await as("owner");
  await owner.at("/queue");
  const card = owner.locator("article", { hasText: "Shared modem pool" }).filter({ hasText: "1 of 2" });
  await look(owner, "proposed");
  await card.locator("a", { hasText: "See who would gain it" }).click();
  expect((await text(owner, "#outcome")).includes("yours is the last yes"), await text(owner, "#outcome"));
  await look(owner, "last-yes");
  await owner.at("/queue");
  await card.locator("summary", { hasText: "Approve" }).click();
  await card.locator("button", { hasText: "Yes, give it" }).click();
  await owner.waitForURL(/preview/);
  expect((await owner.locator(".preview tr", { hasText: "bravo" }).first().innerText()).includes("released"), await text(owner, ".preview"));
});

await test("browser: what was raised here over another's copy is lifted by two", async () => {
  const [id, file] = ["tool--5f0d0009-0000-4000-8000-0000000000a1", join(home, "lift.json")];
  const green = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";
  const theirs = { type: "tool", spec_version: "2.1", id, created: "2026-01-01T00:00:00.000Z", modified: "2026-01-01T00:00:00.000Z", name: "Sounding line", object_marking_refs: [green] };
  writeFileSync(file, JSON.stringify(theirs));
  polder("source", "add", "from-bravo", "--kind", "member", "--member", "bravo");
  polder("import", file, "--source", "from-bravo");
  PAGES.lift = `/objects/${id}/lift`;
  const analyst = await as("analyst");
  await analyst.at(`/recall?id=${id}`);
  await analyst.click("button.danger");
  await analyst.waitForURL(/recall/);
  const officer = await as("release-officer");
  await officer.at(`/objects/${id}`);
  await officer.click("text=Lift what was raised here");
  expect((await text(officer)).includes("recalled here") && (await text(officer, "#outcome")).includes("gains it"), await text(officer));
  await officer.selectOption("#left", "amber+strict");
  await officer.waitForFunction(() => !document.querySelector("#outcome").innerText.includes("gains it"));
  await officer.selectOption("#left", "");
  await officer.waitForFunction(() => document.querySelector("#outcome").innerText.includes("gains it"));
  await officer.click("text=Propose it");
  await officer.waitForURL(/queue/);
  const owner = await as("owner");
  await owner.at("/queue");
  const card = owner.locator("article", { hasText: "Sounding line" });
  expect((await card.innerText()).includes("What was raised here is lifted"), await card.innerText());
  await card.locator("summary", { hasText: "Approve" }).click();
  await card.locator("button", { hasText: "Yes, give it" }).click();
  await owner.waitForURL(/preview/);
  expect(!(await text(owner)).includes("recalled here"), await text(owner));
  await analyst.at(`/recall?id=${id}`);
  await analyst.click("button.danger");
  await analyst.waitForURL(/recall/);
});

await test("browser: a file is imported, previewed first, by choosing and by dropping", async () => {
  const page = await as("analyst");
  const object = (n) => ({ type: "tool", spec_version: "2.1", id: `tool--5f0d0009-0000-4000-8000-00000000000${n}`, created: "2026-01-01T00:00:00.000Z", modified: "2026-01-01T00:00:00.000Z", name: `Imported ${n}` });
  const file = join(home, "import.json");
  writeFileSync(file, JSON.stringify({ type: "bundle", id: "bundle--5f0d0009-0000-4000-8000-000000000000", objects: [object(1), object(2)] }));
  await page.at("/import");
  await page.setInputFiles("#file", file);
  await page.click("main button.primary");
  expect((await text(page)).includes("2 new"), await text(page));
  await page.click("main button.primary");
  expect((await text(page)).includes("2 new"), "saved");
  await page.at("/import");
  const data = await page.evaluateHandle((body) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([body], "dropped.json", { type: "application/json" }));
    return transfer;
  }, JSON.stringify(object(3)));
  await page.dispatchEvent("form[data-drop]", "drop", { dataTransfer: data });
  await page.waitForFunction(() => document.querySelector("h1").innerText.includes("dropped.json"));
  await look(page, "dropped");
  expect((await text(page)).includes("1 new"), "dropped");
});

await test("browser: a held release takes two persons", async () => {
  const [officer, owner] = [await as("release-officer"), await as("owner")];
  await officer.at("/queue");
  const name = await officer.locator("article:has(table.waits) h3 a").first().innerText();
  const first = officer.locator("article", { has: officer.locator("h3", { hasText: name }) }).first().locator("tr").first();
  const to = await first.locator("th").innerText();
  await first.locator("summary").click();
  await first.locator("button.primary").click();
  const waits = (page) => page.locator("article", { has: page.locator("h3", { hasText: name }) }).first().locator("tr", { has: page.locator("th", { hasText: to }) }).first();
  expect((await waits(officer).innerText()).includes("approved by release-officer, 1 of 2"), await waits(officer).innerText());
  await owner.at("/queue");
  await waits(owner).locator("summary").click();
  await waits(owner).locator("button.primary").click();
  await owner.waitForURL(/queue/);
  expect(!(await text(owner)).includes("1 of 2"), "it waits still");
});

await test("browser: a file for somebody else says first what stays", async () => {
  const page = await as("release-officer");
  await page.selectOption("#to", "bravo");
  await page.click("#results form.filters button");
  expect(/\d+ of \d+ objects go into it/.test(await text(page)) && /\d+ stay/.test(await text(page)), await text(page));
  await look(page, "file");
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("main button.primary")]);
  expect(JSON.parse(readFileSync(await file.path(), "utf8")).objects.length > 10, "the file");
});

await test("browser: one press suspends", async () => {
  const page = await as("analyst");
  await page.at("/board");
  await page.click("button[aria-label='Suspend zulu']");
  expect((await page.locator("#board tr", { hasText: "zulu" }).innerText()).includes("suspended"), "the board");
  expect((await page.locator("button[aria-label='Resume zulu']").count()) === 0, "an analyst may resume");
  const owner = await as("owner");
  await owner.at("/board");
  await owner.click("button[aria-label='Resume zulu']");
  expect((await owner.locator("#board tr", { hasText: "zulu" }).innerText()).includes("receives"), "resumed");
});

await test("browser: graph and matrix, with their files", async () => {
  const page = await as("analyst");
  await page.at(`/objects/${ACTOR}/graph?hops=2&most=30`);
  expect(/30 of \d+ shown/.test(await text(page, "p[role=status]")), await text(page, "p[role=status]"));
  expect((await page.locator("figure svg circle").count()) === 30, "circles");
  expect((await page.locator("main table tbody tr").count()) > 20, "the table twin");
  const [picture] = await Promise.all([page.waitForEvent("download"), page.click("text=Save as SVG")]);
  expect(readFileSync(await picture.path(), "utf8").startsWith("<svg"), "the picture");
  await page.at("/matrix");
  const [layer] = await Promise.all([page.waitForEvent("download"), page.click("text=Save as Navigator layer")]);
  const saved = JSON.parse(readFileSync(await layer.path(), "utf8"));
  expect(saved.techniques.some((t) => t.techniqueID === "T1078"), "the layer");
  const file = join(home, "layer.json");
  writeFileSync(file, JSON.stringify({ name: "ours", techniques: [{ techniqueID: "T1078", score: 7 }, { techniqueID: "T9999" }] }));
  await page.setInputFiles("#file", file);
  await page.click("text=Lay over");
  expect((await page.locator(".tech.over").count()) >= 1 && (await text(page)).includes("T9999"), "the layer over it");
});

await test("browser: a page stays current, and tells nothing but that something moved", async () => {
  const page = await as("analyst");
  await page.at("/objects");
  await page.evaluate(() => (window.stayed = true));
  const file = join(home, "late.json");
  writeFileSync(file, JSON.stringify({ type: "tool", spec_version: "2.1", id: "tool--5f0d0009-0000-4000-8000-00000000000a", created: "2026-01-01T00:00:00.000Z", modified: "2026-01-01T00:00:00.000Z", name: "Came later" }));
  await page.waitForSelector("html[data-watching]", { state: "attached" });
  polder("import", file, "--own");
  await page.waitForFunction(() => document.querySelector("#results").innerText.includes("Came later"));
  expect(await page.evaluate(() => window.stayed), "the page was loaded anew");
  // Somebody asks, and the board says so.
  await page.at("/board");
  await page.waitForSelector("html[data-watching]", { state: "attached" });
  await page.waitForFunction(() => [...document.querySelectorAll("#withheld-from td")].every((td) => /\d+ of \d+ withheld/.test(td.innerText)));
  const before = await page.locator("#board tr", { hasText: "charlie" }).first().innerText();
  const who = node("alfa").users.find((u) => u.user === "charlie");
  await fetch(`${node("alfa").api_root}collections/`, { headers: { accept: "application/taxii+json;version=2.1", authorization: `Bearer ${who.token}` } });
  await page.waitForFunction((before) => [...document.querySelectorAll("#board tr")].some((r) => r.innerText.includes("charlie") && r.innerText !== before), before, { timeout: 20000 });
});

await test("browser: by keyboard alone", async () => {
  const page = await open("alfa");
  const who = login("alfa", "analyst");
  await page.at("/login");
  await page.waitForFunction(() => document.activeElement?.id === "user");
  await page.keyboard.type(who.user);
  await page.keyboard.press("Tab");
  await page.keyboard.type(who.password);
  await page.keyboard.press("Enter");
  await page.waitForURL(/objects/);
  await page.keyboard.press("Tab");
  expect((await page.evaluate(() => document.activeElement.className)) === "skip", "the skip link is not first");
  await page.keyboard.press("Enter");
  expect((await page.evaluate(() => document.activeElement.id)) === "main", "it does not lead to the content");
  await page.keyboard.press("/");
  expect((await page.evaluate(() => document.activeElement.id)) === "q", "the search");
  await page.keyboard.type("tidewrack");
  await page.waitForFunction(() => location.search.includes("tidewrack") && !document.querySelector("#results").innerText.includes("Lock and barrier") && document.querySelector("#results tbody th a"));
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/objects\/[a-z]/);
  const seen = await page.evaluate(() => getComputedStyle(document.querySelector("a.skip")).position);
  expect(seen === "absolute", "styles");
});

await test("browser: without scripts", async () => {
  const page = await as("release-officer", { javaScriptEnabled: false });
  await page.fill("#q", "tidewrack");
  await page.click("main form.filters button[type=submit]");
  expect((await text(page, "#results")).includes("Tidewrack"), "a search");
  await page.at(`/objects/${ACTOR}/mark`);
  await page.selectOption("#level", "amber");
  await page.click("text=Show who would lose it");
  expect((await text(page, "#outcome")).includes("loses it"), "a preview");
  await page.at("/queue");
  const before = await page.locator("article tr").count();
  await page.locator("article button", { hasText: "Refuse" }).first().click();
  expect((await page.locator("article tr").count()) === before - 1, "a refusal");
});

await test("browser: colours, 400 % and print on every page", async () => {
  for (const theme of ["light", "dark", "high contrast"]) {
    const page = await as("owner");
    await page.click(`.themes >> text=${theme}`);
    const back = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    expect({ light: "rgb(255, 255, 255)", dark: "rgb(16, 22, 28)", "high contrast": "rgb(0, 0, 0)" }[theme] === back, `${theme} is ${back}`);
  }
  const small = await as("owner", { viewport: { width: 320, height: 256 } });
  for (const [name, path] of Object.entries(PAGES)) {
    await small.at(path);
    const wide = await small.evaluate(() => document.scrollingElement.scrollWidth - window.innerWidth);
    expect(wide <= 0, `${name} is ${wide} px too wide at 400 %`);
  }
  const paper = await as("owner");
  await paper.at(`/objects/${ACTOR}`);
  await paper.emulateMedia({ media: "print" });
  expect(await paper.locator(".banner").first().isVisible(), "no marking on paper");
  expect(!(await paper.locator("nav.places").isVisible()), "navigation on paper");
});

await test("browser: axe finds nothing serious on any page, in any colours", async () => {
  const found = [];
  for (const theme of ["light", "dark", "high contrast"]) {
    const page = await as("owner");
    await page.click(`.themes >> text=${theme}`);
    for (const [name, path] of Object.entries(PAGES)) {
      await page.at(path);
      found.push(...(await serious(page)).map((v) => `${name} (${theme}) ${v}`));
    }
    await page.context().close();
  }
  found.push(...odd);
  expect(found.length === 0, [...new Set(found)].join("\n"));
});

await test("browser: the weight of scripts", async () => {
  const page = await as("analyst");
  for (const path of ["/objects", `/objects/${ACTOR}/graph`]) {
    await page.at(path);
    const scripts = await page.locator("script[src]").evaluateAll((all) => all.map((s) => s.src));
    let bytes = 0;
    for (const script of scripts) bytes += gzipSync(await (await page.request.get(script)).body()).length;
    expect(scripts.length > 0 && bytes <= 30 * 1024, `${path}: ${bytes} bytes of script`);
    expect((await page.locator("script:not([src]), [style], [onclick]").count()) === 0, "scripts or styles in the page");
  }
});

await test("browser: pictures of every page", async () => {
  mkdirSync(SCREENS, { recursive: true });
  for (const [form, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    const page = await as("owner", { viewport });
    for (const [name, path] of Object.entries(PAGES)) {
      await page.at(path);
      await page.screenshot({ path: join(SCREENS, `${name}-${form}.png`), fullPage: true });
    }
    const dark = await as("owner", { viewport, colorScheme: "dark" });
    for (const name of ["objects", "object", "mark", "graph", "matrix"]) {
      await dark.at(PAGES[name]);
      await dark.screenshot({ path: join(SCREENS, `${name}-${form}-dark.png`), fullPage: true });
    }
  }
});

await browser.close();
demo.kill("SIGTERM");
await new Promise((resolve) => demo.on("exit", resolve));
rmSync(home, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed; pictures in ${SCREENS}`);
process.exit(failed ? 1 : 0);
