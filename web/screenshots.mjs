// Screenshots of the page, on a desktop and a phone, light and dark, in every view:
//
//   handseg serve --port 8765
//   npm install --no-save playwright-core && node web/screenshots.mjs http://localhost:8765/ FOLDER [/usr/bin/chromium]

import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${process.cwd()}/`)('playwright-core');
const [address, folder, executablePath = '/usr/bin/chromium', only = ''] = process.argv.slice(2);
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

mkdirSync(folder, { recursive: true });
const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--use-fake-device-for-media-stream'];
const browser = await chromium.launch({ executablePath, args });
for (const [device, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    if (only && only !== `${device}-${colorScheme}`) continue;
    const context = await browser.newContext({ viewport, colorScheme, serviceWorkers: 'block' });
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && console.log('console:', message.text()));
    page.on('pageerror', (error) => console.log('error:', error.message));
    const shot = (name, fullPage = false) => page.screenshot({ path: `${folder}/${device}-${colorScheme}-${name}.png`, fullPage });
    await page.goto(address);
    await page.waitForFunction(() => document.getElementById('status').textContent.startsWith('Choose'), null, { timeout: 120_000 });
    await shot('first', true);
    if (device === 'phone') {
      await page.locator('#copy').scrollIntoViewIfNeeded();
      await shot('scrolled');
    }
    await page.locator('#samples button').nth(1).click();
    await page.waitForFunction(() => / hand/.test(document.getElementById('status').textContent) && !/Looking/.test(document.getElementById('status').textContent), null, { timeout: 120_000 });
    await page.evaluate(() => { document.getElementById('compare').checked = false; });
    for (const view of colorScheme === 'light' && device === 'desktop' ? ['overlay', 'outline', 'cutout', 'blur', 'background', 'mask'] : ['outline', 'cutout']) {
      await page.locator(`label:has(input[value=${view}])`).click();
      if (view === 'outline') await page.locator('#boxes').check();
      else await page.locator('#boxes').uncheck();
      await shot(view);
    }
    await page.locator('#file').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
    await page.waitForFunction(() => document.getElementById('status').className === 'error');
    await shot('error');
    await context.close();
  }
}
await browser.close();
