// The picture in the README: taken of the real page. To renew it, copy .cache/screenshots/readme.png to docs/images/chat.png.
import { test } from 'node:test';
import { ChatPage, delivery, openBrowser, screenshot, thumb, visitor } from './lib/page.mjs';
import { Server } from './lib/thumbprint.mjs';

test('the picture in the README', async (t) => {
  const server = await Server.start(t);
  const chat = await ChatPage.open(await visitor(await openBrowser(t), { viewport: { width: 1200, height: 760 } }), server);
  await chat.ask('What is the weather in Paris?');
  const answer = await chat.ask('Where is that from? Cite your sources.');
  await thumb(answer, 'Bad response').click();
  const dialog = chat.page.getByRole('dialog', { name: 'What went wrong?' });
  await dialog.getByRole('button').nth(1).click();
  await dialog.getByRole('textbox', { name: 'Comment' }).fill('The second source is about something else.');
  await dialog.getByRole('button', { name: 'Send', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await delivery(answer, 'delivered');
  await chat.page.mouse.click(5, 400); // the focus ring is for people with a keyboard
  await screenshot(chat.page, 'readme');
});
