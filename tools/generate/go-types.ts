/**
 * Reads Go's reflection metadata out of an executable: the struct types with their fields and tags, as `reflect` would
 * see them. Works for 64-bit little-endian ELF files that are not position independent. Source: Go 1.26, internal/abi
 * (Type, StructType, Name) and the linker's `.typelink`.
 */

export type GoType =
  | { kind: 'struct'; name: string; packagePath: string; fields: GoField[] }
  | { kind: 'pointer' | 'slice'; name: string; element: GoType }
  | { kind: 'map'; name: string; key: GoType; element: GoType }
  | { kind: 'basic'; name: string; basic: string };

export interface GoField {
  name: string;
  type: GoType;
  tag: string;
  embedded: boolean;
}

interface Section {
  address: number;
  offset: number;
  size: number;
}

const BASIC = new Map([
  [1, 'bool'],
  [2, 'int'],
  [3, 'int8'],
  [4, 'int16'],
  [5, 'int32'],
  [6, 'int64'],
  [7, 'uint'],
  [8, 'uint8'],
  [9, 'uint16'],
  [10, 'uint32'],
  [11, 'uint64'],
  [13, 'float32'],
  [14, 'float64'],
  [20, 'interface'],
  [24, 'string'],
]);
const MAP = 21;
const POINTER = 22;
const SLICE = 23;
const STRUCT = 25;

const HAS_UNCOMMON = 1;
const HAS_EXTRA_STAR = 2;
const IS_NAMED = 4;

// Where the part of a type that is particular to its kind begins, and where that of a struct ends (bytes).
const OWN_PART = 48;
const STRUCT_SIZE = 80;

/** All struct types that the executable can reach by reflection, by `packagePath.Name`. */
export function goStructs(executable: Buffer): Map<string, GoType & { kind: 'struct' }> {
  const reader = new TypeReader(executable);
  return reader.structs();
}

class TypeReader {
  readonly #bytes: Buffer;
  readonly #sections: Map<string, Section>;
  readonly #types: number;
  readonly #known = new Map<number, GoType>();

  constructor(executable: Buffer) {
    this.#bytes = executable;
    this.#sections = sectionsOf(executable);
    this.#types = this.#section('.rodata').address;
  }

  structs() {
    const links = this.#section('.typelink');
    for (let at = links.offset; at < links.offset + links.size; at += 4)
      this.#type(this.#types + this.#bytes.readInt32LE(at));

    const found = new Map<string, GoType & { kind: 'struct' }>();
    for (const type of this.#known.values())
      if (type.kind === 'struct' && type.name) found.set(`${type.packagePath}.${type.name}`, type);
    return found;
  }

  #section(name: string): Section {
    const section = this.#sections.get(name);
    if (!section) throw new Error(`the executable has no section ${name}`);
    return section;
  }

  #offset(address: number): number {
    for (const { address: start, size, offset } of this.#sections.values())
      if (address >= start && address < start + size) return offset + (address - start);
    throw new Error(`address 0x${address.toString(16)} is in no section`);
  }

  #pointer(at: number): number {
    return Number(this.#bytes.readBigUInt64LE(at));
  }

  /** Types refer to one another in circles, so each is registered before its parts are read. */
  #type(address: number): GoType {
    const known = this.#known.get(address);
    if (known) return known;
    const at = this.#offset(address);
    const kind = this.#bytes.readUInt8(at + 23) & 31;
    const flags = this.#bytes.readUInt8(at + 20);
    const name = flags & IS_NAMED ? this.#typeName(at, flags) : '';
    const type = { kind: 'basic', name, basic: BASIC.get(kind) ?? 'other' } as GoType;
    this.#known.set(address, type);

    const part = (index: number) => this.#type(this.#pointer(at + OWN_PART + 8 * index));
    if (kind === STRUCT)
      Object.assign(type, { kind: 'struct', packagePath: this.#packagePath(at, flags), fields: this.#fields(at) });
    if (kind === POINTER) Object.assign(type, { kind: 'pointer', element: part(0) });
    if (kind === SLICE) Object.assign(type, { kind: 'slice', element: part(0) });
    if (kind === MAP) Object.assign(type, { kind: 'map', key: part(0), element: part(1) });
    return type;
  }

  /** `v1.Pod` is stored; without the package's own name it is `Pod`. */
  #typeName(at: number, flags: number): string {
    const text = this.#name(this.#types + this.#bytes.readInt32LE(at + 40)).text;
    const whole = flags & HAS_EXTRA_STAR ? text.slice(1) : text;
    const generic = whole.indexOf('[');
    return whole.slice(whole.lastIndexOf('.', generic < 0 ? undefined : generic) + 1);
  }

  #packagePath(at: number, flags: number): string {
    if (!(flags & HAS_UNCOMMON)) return '';
    const nameOffset = this.#bytes.readInt32LE(at + STRUCT_SIZE);
    return nameOffset === 0 ? '' : this.#name(this.#types + nameOffset).text;
  }

  #fields(at: number): GoField[] {
    const count = this.#pointer(at + OWN_PART + 16);
    if (count === 0) return [];
    const first = this.#offset(this.#pointer(at + OWN_PART + 8));
    return Array.from({ length: count }, (_, index) => {
      const field = first + 24 * index;
      const { text, tag, embedded } = this.#name(this.#pointer(field));
      return { name: text, tag, embedded, type: this.#type(this.#pointer(field + 8)) };
    });
  }

  #name(address: number): { text: string; tag: string; embedded: boolean } {
    const at = this.#offset(address);
    const flags = this.#bytes.readUInt8(at);
    const [text, next] = this.#text(at + 1);
    return { text, tag: flags & 2 ? this.#text(next)[0] : '', embedded: (flags & 8) !== 0 };
  }

  /** A string behind its length as a varint, and where the next thing begins. */
  #text(at: number): [string, number] {
    let length = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.#bytes.readUInt8(at++);
      length |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return [this.#bytes.toString('utf8', at, at + length), at + length];
  }
}

function sectionsOf(elf: Buffer): Map<string, Section> {
  if (elf.readUInt32BE(0) !== 0x7f454c46) throw new Error('not an ELF executable');
  const table = Number(elf.readBigUInt64LE(40));
  const size = elf.readUInt16LE(58);
  const headers = Array.from({ length: elf.readUInt16LE(60) }, (_, index) => table + index * size);
  const names = Number(elf.readBigUInt64LE(headers[elf.readUInt16LE(62)]! + 24));

  const sections = new Map<string, Section>();
  for (const at of headers) {
    const start = names + elf.readUInt32LE(at);
    const address = Number(elf.readBigUInt64LE(at + 16));
    if (address === 0) continue; // not in memory, so nothing points there
    sections.set(elf.toString('latin1', start, elf.indexOf(0, start)), {
      address,
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
    });
  }
  return sections;
}
