// Measures by hand, outside the tests, when the dashboard paints in a slow browser
// (Fast 3G: 1.6 Mbit/s and 150 ms more per answer; a processor four times slower), and
// how it scrolls. ADMIN, TOKEN and CHROMIUM are as of dashboard.mjs; bench/lists.py
// --stay starts a vault that is full.
import { chromium } from 'playwright-core';

const { ADMIN, TOKEN, CHROMIUM } = process.env;
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1];

async function once(slow, hash) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  await page.addInitScript((t) => sessionStorage.setItem('attache-token', t), TOKEN);
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  let bytes = 0;
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
  if (slow) {
    await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 750e3 / 8 });
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  }
  await page.goto(`${ADMIN}/ui/#/${hash}`);
  await page.locator('h1').waitFor();
  const first = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  const own = bytes;
  await page.waitForFunction(() => !document.querySelector('.loading'));
  const whole = await page.evaluate(() => performance.now());
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  const frames = await page.evaluate(async () => {
    let n = 0;
    const begun = performance.now();
    for (; performance.now() - begun < 2000; n++) { scrollBy(0, 60); await new Promise(requestAnimationFrame); }
    return n / 2;
  });
  await context.close();
  return { first, whole, own, frames };
}

for (const hash of ['home', 'connect', 'accounts', 'audit']) {
  for (const slow of [true, false]) {
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await once(slow, hash));
    console.log(hash, slow ? 'throttled' : 'as it is', ...['first', 'whole', 'own', 'frames'].map((k) => `${k} ${Math.round(middle(runs.map((r) => r[k])))}`));
  }
}
await browser.close();
