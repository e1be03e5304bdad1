package jetgate.client;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import jetgate.v1.PublishRequest;

/** The messages of a publisher that are not answered, by their numbers, which follow one another. No I/O, no locking. */
final class Ledger {
  /** What a stream remembers ids for, where it does not say: JetStream's default. */
  static final Duration USUAL_WINDOW = Duration.ofMinutes(2);

  /**
   * Whether a stream that remembers ids so long may not know the id of what was sent then any more, or not when it comes again: some
   * time is left for the way there.
   */
  static boolean mayBeForgotten(long sentAt, Duration remembers) {
    return System.nanoTime() - sentAt >= remembers.toNanos() / 10 * 9;
  }

  /** A message that is not answered. */
  static final class Entry {
    final PublishRequest request;
    final CompletableFuture<PublishResult> future = new CompletableFuture<>();
    final int size;
    long sentAt;
    boolean wasSent;
    // An earlier stream had it, and ended without an answer.
    boolean inDoubt;
    boolean answered;

    Entry(PublishRequest request, int size) {
      this.request = request;
      this.size = size;
    }
  }

  /** What goes together: the number of the first message, and the messages. */
  record Frame(long firstNumber, List<PublishRequest> messages) {}

  // On their way, in the order of their numbers from `first`; behind them those that wait.
  private final ArrayList<Entry> sent = new ArrayList<>();
  private int forgotten;
  private final ArrayDeque<Entry> waiting = new ArrayDeque<>();
  private long first = 1;
  private int messages;
  private long bytes;

  void add(Entry entry) {
    waiting.add(entry);
    messages++;
    bytes += entry.size;
  }

  int messages() {
    return messages;
  }

  long bytes() {
    return bytes;
  }

  int waiting() {
    return waiting.size();
  }

  /** The last number that was sent. */
  long last() {
    return first + sent.size() - forgotten - 1;
  }

  long first() {
    return first;
  }

  /** The next frame, up to these limits; null where nothing waits. */
  Frame take(int mostMessages, int mostBytes, long now) {
    if (waiting.isEmpty()) {
      return null;
    }
    var number = last() + 1;
    var frame = new ArrayList<PublishRequest>(Math.min(waiting.size(), mostMessages));
    long room = mostBytes;
    while (!waiting.isEmpty() && frame.size() < mostMessages) {
      var next = waiting.peek();
      if (!frame.isEmpty() && room < next.size) {
        break;
      }
      waiting.poll();
      room -= next.size;
      if (!next.wasSent) {
        next.wasSent = true;
        next.sentAt = now;
      }
      sent.add(next);
      frame.add(next.request);
    }
    return new Frame(number, frame);
  }

  /** Takes a message out; null where it was answered before, or was never sent. */
  Entry answer(long number) {
    var place = number - first + forgotten;
    if (number < first || place >= sent.size()) {
      return null;
    }
    var found = sent.get((int) place);
    if (found.answered) {
      return null;
    }
    out(found);
    return found;
  }

  /** Drops what is answered at the beginning. */
  void forget() {
    while (forgotten < sent.size() && sent.get(forgotten).answered) {
      sent.set(forgotten, null);
      forgotten++;
      first++;
    }
    if (forgotten == sent.size() || forgotten > 8192) {
      sent.subList(0, forgotten).clear();
      forgotten = 0;
    }
  }

  /**
   * Takes out what would not be safe to send again, of what was sent over any stream. What never was is always safe.
   */
  void giveUp(Predicate<Entry> isSafe, BiConsumer<Long, Entry> with) {
    for (var number = first; number <= last(); number++) {
      var entry = sent(number);
      if (!entry.answered && !isSafe.test(entry)) {
        out(entry);
        with.accept(number, entry);
      }
    }
    forget();
  }

  /** The messages on their way that are not answered, with their numbers, to be sent again. */
  List<Frame> again(int mostMessages, int mostBytes) {
    var frames = new ArrayList<Frame>();
    List<PublishRequest> frame = new ArrayList<>();
    long begin = 0;
    long room = mostBytes;
    for (var number = first; number <= last(); number++) {
      var entry = sent(number);
      if (!frame.isEmpty() && (entry.answered || frame.size() == mostMessages || room < entry.size)) {
        frames.add(new Frame(begin, frame));
        frame = new ArrayList<>();
        room = mostBytes;
      }
      if (!entry.answered) {
        entry.inDoubt = true;
        begin = frame.isEmpty() ? number : begin;
        frame.add(entry.request);
        room -= entry.size;
      }
    }
    if (!frame.isEmpty()) {
      frames.add(new Frame(begin, frame));
    }
    return frames;
  }

  /** Takes everything out. */
  void fail(BiConsumer<Long, Entry> with) {
    giveUp(entry -> false, with);
    var number = last() + 1;
    for (var entry : waiting) {
      out(entry);
      with.accept(number++, entry);
    }
    waiting.clear();
  }

  private Entry sent(long number) {
    return sent.get((int) (number - first) + forgotten);
  }

  private void out(Entry entry) {
    entry.answered = true;
    messages--;
    bytes -= entry.size;
  }
}
