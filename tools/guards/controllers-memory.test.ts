/**
 * What a controller remembers between its steps is made where each run begins, in the function that `defineController` is
 * given: one that is started again, or in another cluster of the process, knows what the API says and nothing else.
 */
import { expect, test } from 'vitest';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { sourceFiles } from './source-files.ts';

const FOLDER = 'src/control-plane/controllers/';
/** Of a module: what changes, or is filled later. By a Kind alone a text may be kept: it is the same in each run. */
const MODULE_MEMORY = /^(export )?(let |const \w+ = new (?!WeakMap<Kind,)\w+(<[^(]*>)?\(\))/;
/** Of a function, beside the controller that it makes: anything but a function or another name of what it was given. */
const FACTORY_MEMORY = /^ {2}(let |const [\w{}[\], ]+(: [^=]+)? = (new |\[|\{|[\w.]+\())/;

const sources = sourceFiles(FOLDER).filter(({ isTest }) => !isTest);

test('no controller keeps anything beyond its run', () => {
  expect(sources.flatMap(({ path, text }) => memoriesIn(text).map((line) => `${path}: ${line}`))).toEqual([]);
});

test('this finds memory of a module and of a factory, and lets that of a run be', () => {
  const module = 'const known = new Map<string, number>();\nlet count = 0;\nconst NAMES = new Set(["a"]);\n';
  const factory =
    'export function one() {\n  const known = new Known();\n  const all = allOf();\n  return defineController({\n';
  const run =
    'export const one = (a: A) => {\n  const b = a as B;\n  return defineController(() => {\n    const known = new Map();\n';
  expect(memoriesIn(module)).toEqual(['const known = new Map<string, number>();', 'let count = 0;']);
  expect(memoriesIn(factory)).toEqual(['const known = new Known();', 'const all = allOf();']);
  expect(memoriesIn(run)).toEqual([]);
});

test('each run of a controller is made by the declaration that everybody sees', () => {
  for (const controller of controllersFor()) {
    if (controller.form !== 'kind') continue;
    expect(controller.begin()).toMatchObject({ name: controller.name, reconciles: controller.spec.reconciles });
  }
});

function memoriesIn(text: string): string[] {
  const ofModule = text.split('\n').filter((line) => MODULE_MEMORY.test(line));
  const ofFactories = text
    .split(/^(?=\S.*(?:\{|=>|\()$)/m)
    .filter((block) => /^ {2}(return )?defineController\(/m.test(block))
    .flatMap((block) => block.slice(0, block.search(/^ {2}(return )?defineController\(/m)).split('\n'))
    .filter((line) => FACTORY_MEMORY.test(line));
  return [...ofModule, ...ofFactories].map((line) => line.trim());
}
