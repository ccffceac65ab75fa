import chromium from "@sparticuz/chromium";
import { type Browser, chromium as launcher, type Page } from "playwright-core";

/** A real browser, which alone knows what cookies, policies and origins it sends, and what the keyboard reaches. */

export const launchBrowser = async (): Promise<Browser> =>
  await launcher.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
    headless: true,
  });

export interface Visit {
  readonly page: Page;
  /** What the console has complained of, and what the page's policy has kept it from. */
  readonly complaints: readonly string[];
}

/** A page as wide as a small phone. */
export async function openPage(browser: Browser): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { page, complaints };
}

/** Written for the page, where the checks run. Each finding is a sentence. */
const findings = `(() => {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  if (document.documentElement.lang !== "en") found.push("the language is not named");
  if (document.title === "") found.push("there is no title");
  if (all("h1").length !== 1) found.push("there is not one h1");
  if (all("main").length !== 1) found.push("there is not one main");
  if (all("script").length !== 0) found.push("there is a script");
  const levels = all("h1, h2, h3").map((heading) => Number(heading.tagName[1]));
  if (levels.some((level, index) => level > (levels[index - 1] ?? 0) + 1)) found.push("a heading is skipped");
  for (const field of all("input:not([type=hidden]), select, textarea")) {
    const words = [...field.labels].map((label) => label.textContent.trim()).join(" ");
    if (words === "") found.push("a field has no label: " + field.name);
  }
  for (const group of all("fieldset")) {
    if ((group.querySelector("legend")?.textContent.trim() ?? "") === "") found.push("a group has no legend");
  }
  for (const radio of all("input[type=radio]")) {
    if (radio.closest("fieldset") === null) found.push("a choice has no group: " + radio.name);
  }
  for (const button of all("button, a")) {
    if (button.textContent.trim() === "") found.push("a button says nothing");
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push("it is wider than the screen");
  return found;
})()`;

/** What someone who does not see the page, or sees it on a phone, would miss; empty when it is nothing. */
export const shortcomingsOf = (page: Page): Promise<unknown> => page.evaluate(findings);

/** What has the focus: its name and value, or its words; marked where no outline shows it. */
export const focused = async (page: Page): Promise<string> =>
  String(
    await page.evaluate(`(() => {
      const at = document.activeElement;
      if (at === null || at === document.body) return "nothing";
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      const words = at.name ? at.name + (at.value ? "=" + at.value : "") : at.textContent.trim();
      return isSeen ? words : words + " (unseen)";
    })()`),
  );

/** Resolves when the field of this name has the focus, which the page gives it some time after it is loaded. */
export async function untilFocused(page: Page, name: string): Promise<void> {
  await page.waitForFunction(`document.activeElement?.name === ${JSON.stringify(name)}`);
}

/** Presses Tab until `what` has the focus; throws when everything had it before. */
export async function tabTo(page: Page, what: string): Promise<readonly string[]> {
  const passed: string[] = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const now = await focused(page);
    if (now === what) return passed;
    // the browser's own frame, which has the focus between two rounds, says nothing
    if ((passed.includes(now) && now !== "nothing") || passed.length > 200) {
      throw new Error(`Tab never comes to ${what}, only to ${passed.join(", ")}`);
    }
    passed.push(now);
  }
}
