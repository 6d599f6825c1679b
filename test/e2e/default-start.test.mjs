// What somebody sees who has only the binary: no config, the demo agent, the embedded store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatPage, delivery, openBrowser, screenshot, thumb, visitor } from './lib/page.mjs';
import { eventually } from './lib/process.mjs';
import { Server } from './lib/thumbprint.mjs';

test('chat, rate, reload, restart, open the trace', async (t) => {
  const server = await Server.start(t);
  t.diagnostic(`from exec to healthy: ${server.msToHealthy.toFixed(0)} ms with an empty data folder`);
  const said = server.process.stdout + server.process.stderr;
  assert.ok(said.includes(server.addr), `the start names the address: ${said}`);

  const chat = await ChatPage.open(await visitor(await openBrowser(t)), server);
  const suggestions = chat.page.getByRole('list', { name: 'Suggestions' }).getByRole('button');
  const question = await suggestions.first().innerText();
  const answer = await chat.ask(question);
  const id = await answer.getAttribute('data-trace-id');
  assert.match(id, /^req-[0-9a-f]{16}$/);

  await thumb(answer, 'Good response').click();
  await chat.page.keyboard.press('Escape');
  await delivery(answer, 'delivered');
  await screenshot(chat.page, 'chat');

  for (const again of ['reload', 'restart']) {
    if (again === 'restart') await server.restart('SIGTERM');
    await chat.page.reload();
    const restored = await chat.finished();
    assert.equal(await restored.getAttribute('data-trace-id'), id);
    assert.equal(await thumb(restored, 'Good response').getAttribute('aria-pressed'), 'true', `kept after a ${again}`);
  }
  t.diagnostic(`from exec to healthy: ${server.msToHealthy.toFixed(0)} ms with data`);

  await chat.answers.last().getByRole('link', { name: 'Open trace' }).click();
  await chat.page.getByRole('heading', { name: 'Trace' }).first().waitFor();
  await chat.page.getByRole('region', { name: 'Request' }).getByText(question).first().waitFor();
  assert.ok((await chat.page.getByRole('tree', { name: 'Spans' }).getByRole('treeitem').count()) > 0);
  await chat.page.getByRole('region', { name: 'Ratings' }).getByText('user_feedback').first().waitFor();
  await screenshot(chat.page, 'trace');
  assert.deepEqual(chat.errors, []);
});

test('a demo answer that fails says so and can be rated; a slow one can be stopped and joined again', async (t) => {
  const server = await Server.start(t);
  const chat = await ChatPage.open(await visitor(await openBrowser(t)), server);
  const failed = await chat.ask('fail', 'failed');
  await failed.getByRole('alert').waitFor();
  await thumb(failed, 'Bad response').click();
  await chat.page.keyboard.press('Escape');
  await delivery(failed, 'delivered');

  await chat.page.getByRole('button', { name: 'New chat' }).click();
  await chat.send('slow');
  await eventually('words on the page', async () => (await chat.answers.last().innerText()).length > 5);
  await chat.page.waitForURL(/\/c\//);
  await chat.page.reload();
  await eventually('the running answer is joined again', async () => (await chat.answers.last().getAttribute('data-status')) === 'streaming');
  await chat.page.getByRole('button', { name: 'Stop', exact: true }).click();
  const stopped = await chat.finished('stopped');
  await stopped.getByText('Stopped').waitFor();
  assert.equal(await thumb(stopped, 'Good response').count(), 1);
});

test('phone and dark', async (t) => {
  const server = await Server.start(t);
  const browser = await openBrowser(t);
  const { conversation } = await server.ask('demo', 'Show me everything you can do');
  for (const [name, look] of Object.entries({
    phone: { viewport: { width: 390, height: 844 }, hasTouch: true },
    dark: { colorScheme: 'dark' },
  })) {
    const chat = await ChatPage.open(await visitor(browser, look), server, `/c/${conversation}`);
    const answer = await chat.finished();
    await thumb(answer, 'Good response').scrollIntoViewIfNeeded();
    const { scroll, client } = await chat.page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `nothing sticks out sideways on ${name}: ${scroll} > ${client}`);
    await screenshot(chat.page, name);
  }
});
