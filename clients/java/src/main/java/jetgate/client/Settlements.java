package jetgate.client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import jetgate.v1.AckKind;
import jetgate.v1.Acknowledgement;
import jetgate.v1.DeliveryRange;
import jetgate.v1.SessionOpened;
import jetgate.v1.SettleFrame;
import jetgate.v1.SettleResult;

/** What a consumer holds, what it has yet to say and what it said without an answer. No I/O, no locking. */
final class Settlements {
  /** How many items a settle frame or a call of Acknowledge may have. */
  static final int MOST_ITEMS = 10_000;

  /** What is said of a message. */
  record Word(Received message, AckKind kind, Duration delay, String reason) {
    static Word of(Received message, AckKind kind) {
      return new Word(message, kind, Duration.ZERO, "");
    }

    /** As the session of this number takes it. More time is asked for by token: the answer to a range brings no fresh one. */
    Acknowledgement in(long session) {
      var item = byToken();
      if (message.session == session && kind != AckKind.ACK_KIND_IN_PROGRESS) {
        item.setRange(DeliveryRange.newBuilder().setFirst(message.id));
      }
      return item.build();
    }

    /** As any gateway takes it, in a session or outside. */
    Acknowledgement.Builder byToken() {
      var item = Acknowledgement.newBuilder().setAckToken(message.token).setKind(kind).setReason(reason);
      return delay.isZero() ? item : item.setDelay(Durations.toProto(delay));
    }
  }

  /**
   * A frame that is not answered.
   *
   * @param before how many items of the frame come before those of {@code words}
   * @param renews it asks for fresh tokens, which only the session that is about to end can give
   */
  private record Said(List<Received> acks, int before, List<Word> words, boolean renews) {}

  // Handed out, or waiting to be, and not settled.
  private final Set<Received> held = new LinkedHashSet<>();
  // Plain acknowledgements are most of all that is said.
  private List<Received> acks = new ArrayList<>();
  private List<Word> words = new ArrayList<>();
  // By their settle ids.
  private final Map<Long, Said> unanswered = new HashMap<>();
  private long settleId;

  void delivered(Received message) {
    held.add(message);
  }

  /** Takes a word; false where the message was settled before. */
  boolean say(Word word) {
    if (word.message.settled) {
      return false;
    }
    if (word.kind == AckKind.ACK_KIND_IN_PROGRESS) {
      words.add(word);
      return true;
    }
    settled(word.message);
    if (word.kind == AckKind.ACK_KIND_ACK) {
      acks.add(word.message);
    } else {
      words.add(word);
    }
    return true;
  }

  void settled(Received message) {
    message.settled = true;
    held.remove(message);
  }

  /** Leaves a message that nobody has seen to others. */
  void leave(Received message) {
    held.remove(message);
  }

  int held() {
    return held.size();
  }

  int unsaid() {
    return acks.size() + words.size();
  }

  /** Whether everything that was said has been answered. */
  boolean hasSaidAll() {
    return unsaid() == 0 && unanswered.isEmpty();
  }

  boolean isUrgent() {
    return !words.isEmpty();
  }

  /**
   * Says what is unsaid, as much as a frame may have; null where there is nothing. Deliveries of this session go by ranges of their
   * numbers, others by their tokens.
   */
  SettleFrame frame(long session) {
    if (unsaid() == 0) {
      return null;
    }
    var said = acks.subList(0, Math.min(acks.size(), MOST_ITEMS));
    var items = acknowledge(said, session);
    var others = words.subList(0, Math.min(words.size(), MOST_ITEMS - items.size()));
    var kept = new Said(List.copyOf(said), items.size(), List.copyOf(others), false);
    others.forEach(word -> items.add(word.in(session)));
    said.clear();
    others.clear();
    return enter(kept, items);
  }

  /**
   * Asks for fresh tokens of what is held, while a session comes to its end: the next one takes over only what has not expired by its
   * token.
   */
  List<SettleFrame> renewals() {
    var asked = held.stream().map(message -> Word.of(message, AckKind.ACK_KIND_IN_PROGRESS)).toList();
    var frames = new ArrayList<SettleFrame>();
    for (var begin = 0; begin < asked.size(); begin += MOST_ITEMS) {
      var part = asked.subList(begin, Math.min(asked.size(), begin + MOST_ITEMS));
      frames.add(enter(new Said(List.of(), 0, part, true), byTokens(part)));
    }
    return frames;
  }

  private SettleFrame enter(Said kept, List<Acknowledgement> items) {
    settleId++;
    unanswered.put(settleId, kept);
    return SettleFrame.newBuilder().setSettleId(settleId).addAllAcknowledgements(items).build();
  }

  /** Takes the fresh tokens of an answer. */
  void answered(SettleResult result) {
    var kept = unanswered.remove(result.getSettleId());
    for (var i = 0; kept != null && i < kept.words.size() && kept.before + i < result.getResultsCount(); i++) {
      var token = result.getResults(kept.before + i).getMetadataMap().get("ack_token");
      if (token != null) {
        kept.words.get(i).message.token = token;
      }
    }
  }

  /** The session is over: what it did not answer is said again. */
  void moved() {
    for (var kept : unanswered.values()) {
      if (!kept.renews) {
        acks.addAll(kept.acks);
        words.addAll(kept.words);
      }
    }
    unanswered.clear();
  }

  /** Takes out all that was said and not answered, and lets go of what is held: there will be no other session. */
  List<Word> left() {
    moved();
    var left = new ArrayList<Word>(unsaid());
    acks.forEach(message -> left.add(Word.of(message, AckKind.ACK_KIND_ACK)));
    words.stream().filter(word -> word.kind != AckKind.ACK_KIND_IN_PROGRESS).forEach(left::add);
    acks = new ArrayList<>();
    words = new ArrayList<>();
    held.clear();
    return left;
  }

  /** What the next session is asked to take over. */
  List<Received> offer(int most) {
    return held.stream().limit(most).toList();
  }

  /** Takes the answer to an offer by these tokens, new ones, and returns what the session does not hold. */
  Set<Received> adopted(List<Received> offered, List<String> by, SessionOpened opened) {
    var refused = new HashSet<>(opened.getNotHeldList());
    var lost = new HashSet<Received>();
    var next = 0;
    for (var place = 0; place < offered.size(); place++) {
      var message = offered.get(place);
      if (refused.contains(by.get(place))) {
        lost.add(message);
        held.remove(message);
      } else if (next < opened.getHeldCount()) {
        message.token = opened.getHeld(next++);
      }
    }
    return lost;
  }

  static List<Acknowledgement> byTokens(List<Word> words) {
    return words.stream().map(word -> word.byToken().build()).toList();
  }

  /** The items that acknowledge these messages: whole ranges of those of the session. */
  private static List<Acknowledgement> acknowledge(List<Received> messages, long session) {
    var items = new ArrayList<Acknowledgement>();
    var numbers = new long[messages.size()];
    var count = 0;
    for (var message : messages) {
      if (message.session == session) {
        numbers[count++] = message.id;
      } else {
        items.add(Word.of(message, AckKind.ACK_KIND_ACK).byToken().build());
      }
    }
    Arrays.sort(numbers, 0, count);
    for (int begin = 0, end; begin < count; begin = end) {
      end = begin + 1;
      while (end < count && numbers[end] == numbers[end - 1] + 1) {
        end++;
      }
      var range = DeliveryRange.newBuilder().setFirst(numbers[begin]).setLast(numbers[end - 1]);
      items.add(Acknowledgement.newBuilder().setRange(range).setKind(AckKind.ACK_KIND_ACK).build());
    }
    return items;
  }
}
