import { expect, test } from 'vitest';
import type { Device } from '#api/generated/schema.ts';
import { compileDeviceSelector, deviceActivation } from './device-expression.ts';

const device: Device = {
  name: 'd',
  attributes: { model: { string: 'A100' }, 'other.example.com/driver': { version: '1.2.3' }, cores: { int: 8 } },
  capacity: { memory: { value: '40Gi' } },
};

test.each([
  ["device.driver == 'gpu.example.com'", true],
  ["device.attributes['gpu.example.com'].model == 'A100'", true],
  ["device.attributes['other.example.com'].driver.isGreaterThan(semver('1.2.0'))", true],
  ["device.attributes['gpu.example.com'].cores > 8", false],
  ["device.capacity['gpu.example.com'].memory.compareTo(quantity('40Gi')) >= 0", true],
  ["'model' in device.attributes['nobody.example.com']", false],
  ['device.allowMultipleAllocations', false],
  ["cel.bind(own, device.attributes['gpu.example.com'], own.model == 'A100' && own.cores == 8)", true],
])('%s is %s', (expression, answer) => {
  const compiled = compileDeviceSelector(expression);
  if ('problem' in compiled) throw new Error(compiled.problem);
  expect(compiled.program.evaluate(deviceActivation('gpu.example.com', device)).value).toBe(answer);
});

test('an attribute that is not there is an error', () => {
  const compiled = compileDeviceSelector("device.attributes['gpu.example.com'].lost");
  if ('problem' in compiled) throw new Error(compiled.problem);
  expect(compiled.program.evaluate(deviceActivation('gpu.example.com', device)).error).toBe('no such key: lost');
});
