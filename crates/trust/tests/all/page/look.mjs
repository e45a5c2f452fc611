// Looks at the doctor's pages in a real browser. The task is a JSON file: pages, each with what
// must be in sight without scrolling, and the folder for screenshots.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const task = JSON.parse(readFileSync(process.env.KEYLESS_PAGE_TASK));
const { default: puppeteer } = await import('puppeteer-core');
let executablePath = task.browser;
let args = ['--no-sandbox', '--disable-gpu'];
if (!executablePath) {
  const { default: chromium } = await import('@sparticuz/chromium');
  executablePath = await chromium.executablePath();
  args = [...chromium.args, ...args];
}
const browser = await puppeteer.launch({ executablePath, args, headless: 'shell' });
const wrong = [];
let looks = 0;

// Runs in the page.
function examine(wanted) {
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    wrong.push(`it is ${document.documentElement.scrollWidth} wide, and the window ${width}`);
  }
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > width + 1 || box.left < -1)) {
      wrong.push(`<${element.localName} class="${element.className}"> reaches from ${box.left} to ${box.right}`);
    }
  }
  if (document.querySelectorAll('script, img, iframe, object, link, form, [onerror], [onclick]').length) {
    wrong.push('a text of others became markup');
  }
  if (window.ran) wrong.push('a script ran');
  for (const { selector, text } of wanted) {
    const element = document.querySelector(selector);
    const box = element?.getBoundingClientRect();
    if (!element || !element.innerText.includes(text)) {
      wrong.push(`${selector} does not say ${text}: ${element?.innerText.slice(0, 100)}`);
    } else if (box.top < 0 || box.left < 0 || box.bottom > window.innerHeight || box.right > width) {
      wrong.push(`${selector} is out of sight: ${box.top} to ${box.bottom} of ${window.innerHeight}`);
    }
  }
  const colour = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const light = ({ rgb }) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let least = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    let behind = element;
    while (behind && colour(getComputedStyle(behind).backgroundColor).alpha < 1) {
      if (getComputedStyle(behind).opacity !== '1') wrong.push(`<${behind.localName}> shines through`);
      behind = behind.parentElement;
    }
    const paper = light(colour(behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)'));
    const ink = light(colour(getComputedStyle(element).color));
    const ratio = (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
    least = Math.min(least, ratio);
    if (ratio < 4.5) wrong.push(`"${walker.currentNode.data.trim().slice(0, 40)}" has a contrast of ${ratio.toFixed(2)}`);
  }
  return { wrong: [...new Set(wrong)].slice(0, 8), least };
}

for (const { name, file, wanted } of task.pages) {
  for (const scheme of ['light', 'dark']) {
    for (const [width, height] of [[1280, 800], [400, 800]]) {
      const page = await browser.newPage();
      const url = pathToFileURL(file).href;
      const asked = [];
      page.on('request', (request) => request.url() === url || asked.push(request.url()));
      page.on('dialog', (dialog) => { asked.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.goto(url, { waitUntil: 'load' });
      const seen = await page.evaluate(examine, wanted);
      await page.screenshot({ path: `${task.folder}/${name}-${scheme}-${width}.png` });
      const at = `${name}, ${scheme}, ${width}`;
      wrong.push(...seen.wrong.map((w) => `${at}: ${w}`), ...asked.map((a) => `${at}: it asked for ${a}`));
      looks += 1;
      console.log(`${at}: contrast at least ${seen.least.toFixed(2)}`);
      await page.close();
    }
  }
}
console.log(await browser.version());
await browser.close();
if (wrong.length) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
console.log(`${looks} looks are fine`);
