import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chosenPlugins } from './admission.ts';
import { ApiServerFlags } from './api-server-flags.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'admission-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const config = (text: string) => {
  const path = join(folder, 'admission.yaml');
  writeFileSync(path, text);
  return new ApiServerFlags({ 'admission-control-config-file': path });
};
const HEAD = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n';

test('flags name the plugins', () => {
  const flags = {
    'enable-admission-plugins': 'AlwaysPullImages, PodNodeSelector',
    'disable-admission-plugins': 'Priority',
  };
  const enabled = ['AlwaysPullImages', 'PodNodeSelector'];
  expect(chosenPlugins(new ApiServerFlags(flags))).toEqual({ enabled, disabled: ['Priority'], configuration: {} });
});

test('a plugin that nobody knows keeps the server from starting', () => {
  expect(() => chosenPlugins(new ApiServerFlags({ 'enable-admission-plugins': 'Lost' }))).toThrow(
    'enable-admission-plugins plugin "Lost" is unknown',
  );
});

test('a file beside the configuration is found from it', () => {
  writeFileSync(join(folder, 'selectors.yaml'), 'podNodeSelectorPluginConfig: { a: env=prod }');
  const { configuration } = chosenPlugins(config(`${HEAD}plugins: [{ name: PodNodeSelector, path: selectors.yaml }]`));
  expect(configuration).toEqual({ PodNodeSelector: { podNodeSelectorPluginConfig: { a: 'env=prod' } } });
});

test.each([
  [`${HEAD}plugin: []`, 'strict decoding error: unknown field "plugin"'],
  [`${HEAD}plugins: [{ name: PodNodeSelector, path: lost.yaml }]`, 'lost.yaml cannot be read'],
])('%j is refused', (text, message) => {
  expect(() => chosenPlugins(config(text))).toThrow(message);
});
