// Conversations from before client_request_id: they load, and cannot be rated.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatPage, openBrowser, thumb, visitor } from './lib/page.mjs';
import { Server } from './lib/thumbprint.mjs';

test('an imported UUID traceId loads without thumbs, and feedback for it is a 404 that says why', async (t) => {
  const server = await Server.start(t);
  const uuid = '7f1d3bd6-2f2e-4b5c-9a57-0a5f7f0a1c11';
  const imported = await server.call('POST', '/api/v1/conversations', {
    title: 'From the old app',
    messages: [
      { role: 'user', content: 'What is a trace?' },
      { role: 'assistant', content: 'A record of one run.', traceId: uuid },
    ],
  });
  assert.equal(imported.status, 201, JSON.stringify(imported.body));

  const answer = (await server.messages(imported.body.id)).at(-1);
  assert.equal(answer.traceId, uuid, 'kept as it was given');
  assert.equal(answer.rateable, false);
  assert.ok(answer.not_rateable_reason.length > 0);

  const refused = await server.rate(uuid, true);
  assert.equal(refused.status, 404);
  assert.equal(refused.body.detail, 'Trace not found for feedback');
  assert.ok(refused.body.hint.length > 20, `a hint that says why: ${refused.body.hint}`);

  const chat = await ChatPage.open(await visitor(await openBrowser(t)), server, `/c/${imported.body.id}`);
  await chat.page.getByText('A record of one run.').waitFor();
  const article = chat.answers.last();
  assert.equal(await thumb(article, 'Good response').count(), 0);
  await article.getByText('Ratings are off for this answer').waitFor();

  await chat.ask('And a span?');
  assert.equal(await thumb(chat.answers.last(), 'Good response').count(), 1, 'new answers in it can be rated');
});
