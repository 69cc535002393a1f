// A person at the page of approvals, in Chromium: approves as many as they are told to,
// each once, as they come.
import { chromium } from 'playwright-core'

const { ADMIN, TOKEN, CHROMIUM, HOW_MANY } = process.env
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
const page = await (await browser.newContext()).newPage()
page.setDefaultTimeout(120_000)
await page.goto(`${ADMIN}/ui/`)
await page.getByLabel('Admin token').fill(TOKEN)
await page.getByRole('button', { name: 'Sign in' }).click()
await page.getByRole('link', { name: 'Approvals' }).click()
const open = page.getByRole('button', { name: /^Approve once/ })
await open.nth(HOW_MANY - 1).waitFor() // all of them are seen
const seen = await page.locator('main').innerText()
for (let left = Number(HOW_MANY); left > 0; left--) {
  await open.first().click()
  await page.waitForFunction((n) => [...document.querySelectorAll('button')].filter((b) => b.textContent.startsWith('Approve once')).length === n, left - 1)
}
console.log(seen)
await browser.close()
