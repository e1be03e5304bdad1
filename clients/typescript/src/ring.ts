// Values by numbers that rise by one, and that are mostly removed in the order in which they came.

/** A ring that grows. Numbers count from 1. */
export class Ring<T> {
  private slots: (T | undefined)[] = new Array<T | undefined>(256).fill(undefined);

  /** The lowest number that is held, or `next`. */
  base = 1;
  /** The next number to enter. */
  next = 1;
  /** How many values are held. */
  size = 0;

  /** Enters a value under the next number, which is returned. */
  push(value: T): number {
    if (this.next - this.base === this.slots.length) this.grow();
    this.slots[this.next & (this.slots.length - 1)] = value;
    this.size++;
    return this.next++;
  }

  /** The value of a number. */
  get(number: number): T | undefined {
    return number < this.base || number >= this.next ? undefined : this.slots[number & (this.slots.length - 1)];
  }

  /** Removes and returns the value of a number. */
  take(number: number): T | undefined {
    const value = this.get(number);
    if (value === undefined) return undefined;
    const mask = this.slots.length - 1;
    this.slots[number & mask] = undefined;
    this.size--;
    while (this.base < this.next && this.slots[this.base & mask] === undefined) this.base++;
    return value;
  }

  /** What is held, in the order of the numbers. Taking what comes is allowed. */
  *values(): Generator<T> {
    for (let number = this.base; number < this.next; number++) {
      const value = this.get(number);
      if (value !== undefined) yield value;
    }
  }

  /** Holds nothing, and counts from 1 again. */
  clear(): void {
    this.slots.fill(undefined);
    this.base = this.next = 1;
    this.size = 0;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let number = this.base; number < this.next; number++) {
      this.slots[number & (this.slots.length - 1)] = old[number & (old.length - 1)];
    }
  }
}
