import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { runtimeConformance } from '../runtime-conformance.ts';
import { SimulatedRuntime } from './simulated-runtime.ts';

const image = 'kedge.local/simulated:1';
const runtime = new SimulatedRuntime({ clock: new ManualClock(), images: [image] });
let count = 0;
runtimeConformance(
  { runtime: () => runtime, image, logDirectory: () => '/nowhere', unique: () => count++ },
  { test: (name, run) => test(name, run), equal: (actual, expected) => expect(actual).toEqual(expected) },
);
