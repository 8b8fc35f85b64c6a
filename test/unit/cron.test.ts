import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isContainerUtc } from '../../config/container.js';
import { requireCron } from '../../config/cron.js';
import { TapeflowFailure } from '../../config/failures.js';

test('a cron expression is taken, or refused with the field that is wrong', () => {
  const good = [
    '30 2 * * *',
    '*/15 0-6,22 1,15 jan-mar Mon-Fri',
    '0 0 29 2 *',
    '5/10 * 31 1,4 7',
    ' 0  0 * * sun ',
  ];
  for (const cron of good) assert.equal(requireCron(cron), cron.trim().replace(/ +/g, ' '));
  const wrong: [string, RegExp][] = [
    ['61 * * * *', /the minute "61" is not from 0 to 59/],
    ['0 24 * * *', /the hour "24" is not from 0 to 23/],
    ['0 0 0 * *', /the day "0" is not from 1 to 31/],
    ['0 0 * 13 *', /the month "13"/],
    ['0 0 * * mo', /the weekday "mo" is not understood.*names such as mon/],
    ['0 5-3 * * *', /the hour "5-3" ends before it begins/],
    ['*/0 * * * *', /the minute "\*\/0" has a step of 0/],
    ['0,,1 * * * *', /the minute "0,,1" is not understood/],
    ['@daily', /does not have five fields/],
    ['', /does not have five fields/],
    ['30 2 30 2 *', /it never comes: no day 30 is in the month 2/],
    ['30 2 31 apr,jun *', /it never comes/],
  ];
  for (const [cron, message] of wrong) {
    assert.throws(
      () => requireCron(cron),
      (error) => error instanceof TapeflowFailure && error.kind === 'usage' && message.test(error.sentence),
      cron,
    );
  }
});

test("UTC in a container is nobody's choice, unless TZ says so", () => {
  const docker = (path: string) => path === '/.dockerenv';
  assert.equal(isContainerUtc({}, 'UTC', docker), true);
  assert.equal(isContainerUtc({ TZ: '' }, 'Etc/UTC', docker), true);
  assert.equal(isContainerUtc({ TZ: 'UTC' }, 'UTC', docker), false);
  assert.equal(isContainerUtc({}, 'Europe/Berlin', docker), false, 'a mounted /etc/localtime');
  assert.equal(
    isContainerUtc({}, 'UTC', () => false),
    false,
    'a machine whose time is UTC',
  );
  assert.equal(
    isContainerUtc({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, 'UTC', () => false),
    true,
  );
});
