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

/** What a consumer holds, and what it has yet to say. No I/O, no locking. */
final class Settlements {
  /** What is said of a message. */
  record Word(Received message, AckKind kind, Duration delay, String reason) {}

  // Handed out, or waiting to be, and not settled.
  private final Set<Received> held = new LinkedHashSet<>();
  // Plain acknowledgements are most of all that is said.
  private final List<Received> acks = new ArrayList<>();
  private final List<Word> words = new ArrayList<>();
  // The renewals that are not answered, by their settle id.
  private final Map<Long, List<Received>> renewing = new HashMap<>();
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

  boolean isUrgent() {
    return !words.isEmpty();
  }

  /**
   * Says everything that is unsaid; null where there is nothing. Deliveries of this session go by ranges of their numbers, others by
   * their tokens.
   */
  SettleFrame frame(long session) {
    if (unsaid() == 0) {
      return null;
    }
    var frame = SettleFrame.newBuilder();
    var numbers = new long[acks.size()];
    var count = 0;
    for (var message : acks) {
      if (message.session == session) {
        numbers[count++] = message.id;
      } else {
        frame.addAcknowledgements(byToken(message, AckKind.ACK_KIND_ACK));
      }
    }
    Arrays.sort(numbers, 0, count);
    for (int begin = 0, end; begin < count; begin = end) {
      end = begin + 1;
      while (end < count && numbers[end] == numbers[end - 1] + 1) {
        end++;
      }
      var range = DeliveryRange.newBuilder().setFirst(numbers[begin]).setLast(numbers[end - 1]);
      frame.addAcknowledgements(Acknowledgement.newBuilder().setRange(range).setKind(AckKind.ACK_KIND_ACK));
    }
    for (var word : words) {
      var item = byToken(word.message, word.kind).setReason(word.reason);
      if (word.message.session == session) {
        item.setRange(DeliveryRange.newBuilder().setFirst(word.message.id));
      }
      if (!word.delay.isZero()) {
        item.setDelay(Durations.toProto(word.delay));
      }
      frame.addAcknowledgements(item);
    }
    acks.clear();
    words.clear();
    return frame.build();
  }

  /**
   * Asks for fresh tokens of what is held, while a session comes to its end: the next one takes over only what has not expired by its
   * token. Null where nothing is held.
   */
  SettleFrame renewals() {
    if (held.isEmpty()) {
      return null;
    }
    settleId++;
    renewing.put(settleId, List.copyOf(held));
    var frame = SettleFrame.newBuilder().setSettleId(settleId);
    held.forEach(message -> frame.addAcknowledgements(byToken(message, AckKind.ACK_KIND_IN_PROGRESS)));
    return frame.build();
  }

  /** Takes the renewed tokens of an answer. */
  void answered(SettleResult result) {
    var renewed = renewing.remove(result.getSettleId());
    for (var i = 0; renewed != null && i < Math.min(renewed.size(), result.getResultsCount()); i++) {
      var token = result.getResults(i).getMetadataMap().get("ack_token");
      if (token != null) {
        renewed.get(i).token = token;
      }
    }
  }

  /** What the next session is asked to take over. */
  List<Received> offer(int most) {
    renewing.clear();
    return held.stream().limit(most).toList();
  }

  /** Takes the answer to an offer, new tokens, and returns what the session does not hold. */
  Set<Received> adopted(List<Received> offered, SessionOpened opened) {
    var refused = new HashSet<>(opened.getNotHeldList());
    var lost = new HashSet<Received>();
    var next = 0;
    for (var message : offered) {
      if (refused.contains(message.token)) {
        lost.add(message);
        held.remove(message);
      } else if (next < opened.getHeldCount()) {
        message.token = opened.getHeld(next++);
      }
    }
    return lost;
  }

  static Acknowledgement.Builder byToken(Received message, AckKind kind) {
    return Acknowledgement.newBuilder().setAckToken(message.token).setKind(kind);
  }
}
