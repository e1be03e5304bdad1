package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import jetgate.v1.AckKind;
import jetgate.v1.Acknowledgement;
import jetgate.v1.ItemStatus;
import jetgate.v1.PublishRequest;
import jetgate.v1.ReceivedMessage;
import jetgate.v1.SessionOpened;
import jetgate.v1.SettleResult;
import org.junit.jupiter.api.Test;

/** The books of a consumer and of a publisher, and how errors are judged: no I/O. */
class BooksTest {
  private final Settlements book = new Settlements();

  /** Messages of session 1, numbered from 1. */
  private List<Received> holding(int count) {
    var messages =
        LongStream.rangeClosed(1, count)
            .mapToObj(id -> ReceivedMessage.newBuilder().setDeliveryId(id).setAckToken("t" + id).build())
            .map(raw -> new Received(raw, null, 1))
            .toList();
    messages.forEach(book::delivered);
    return messages;
  }

  private void say(Received message, AckKind kind) {
    assertTrue(book.say(Settlements.Word.of(message, kind)));
  }

  private static List<String> tokens(List<Acknowledgement> items) {
    return items.stream().map(Acknowledgement::getAckToken).sorted().toList();
  }

  @Test
  void whatASessionDidNotAnswerIsSaidAgainByToken() {
    var messages = holding(4);
    say(messages.get(0), AckKind.ACK_KIND_ACK);
    say(messages.get(1), AckKind.ACK_KIND_TERM);
    assertEquals(2, book.frame(1).getAcknowledgementsCount());
    book.moved();
    var again = book.frame(2);
    assertEquals(List.of("t1", "t2"), tokens(again.getAcknowledgementsList()));
    book.answered(SettleResult.newBuilder().setSettleId(again.getSettleId()).build());
    book.moved();
    assertEquals(0, book.unsaid());
  }

  @Test
  void moreTimeIsAskedForByTokenAndForTheSessionThatEndsOnly() {
    var messages = holding(3);
    say(messages.get(0), AckKind.ACK_KIND_IN_PROGRESS);
    var asked = book.frame(1);
    assertEquals(List.of("t1"), tokens(asked.getAcknowledgementsList()));
    var fresh = ItemStatus.newBuilder().putMetadata("ack_token", "fresh");
    book.answered(SettleResult.newBuilder().setSettleId(asked.getSettleId()).addResults(fresh).build());
    var renewals = book.renewals();
    assertEquals(1, renewals.size());
    assertEquals(List.of("fresh", "t2", "t3"), tokens(renewals.get(0).getAcknowledgementsList()));
    book.moved();
    assertEquals(0, book.unsaid());
  }

  @Test
  void whatWasSaidAndNotHeardIsLeftAtTheEnd() {
    var messages = holding(4);
    say(messages.get(0), AckKind.ACK_KIND_ACK);
    book.frame(1);
    say(messages.get(3), AckKind.ACK_KIND_ACK);
    say(messages.get(1), AckKind.ACK_KIND_NAK);
    say(messages.get(2), AckKind.ACK_KIND_IN_PROGRESS);
    assertEquals(List.of("t1", "t2", "t4"), tokens(Settlements.byTokens(book.left())));
    assertEquals(List.of(), book.left());
    assertEquals(0, book.held());
  }

  @Test
  void aFrameHasNoMoreItemsThanItMay() {
    var messages = holding(2 * Settlements.MOST_ITEMS + 6);
    for (var i = 0; i < messages.size(); i += 2) { // no two follow one another
      say(messages.get(i), AckKind.ACK_KIND_ACK);
    }
    assertEquals(Settlements.MOST_ITEMS, book.frame(1).getAcknowledgementsCount());
    assertEquals(3, book.frame(1).getAcknowledgementsCount());
  }

  /** Renewals are on time whatever else there is to say, also while the program drains. */
  @Test
  void tokensAreRenewedInTimeHoweverSteadilyAcknowledgementsFlow() {
    var messages = holding(100);
    var opened =
        SessionOpened.newBuilder()
            .setAckWait(Durations.toProto(Duration.ofSeconds(4)))
            .setPingWithin(Durations.toProto(Duration.ofMinutes(1)))
            .build();
    var now = System.nanoTime();
    var speaking = new Speaking(book, 1, opened, now);
    speaking.retire(now);
    var renewed = 0;
    for (var i = 0; i < 50; i++) {
      say(messages.get(i), AckKind.ACK_KIND_ACK);
      var item = speaking.next(now, true, false, true).getSettle().getAcknowledgements(0);
      renewed += item.getKind() == AckKind.ACK_KIND_IN_PROGRESS ? 1 : 0;
      now += Duration.ofMillis(100).toNanos();
    }
    assertEquals(5, renewed, "in five seconds");
  }

  @Test
  void whatTheStreamMayHaveForgottenIsNotSentAgain() {
    var ledger = new Ledger();
    IntStream.range(0, 4).forEach(n -> ledger.add(new Ledger.Entry(PublishRequest.getDefaultInstance(), 1)));
    ledger.take(1, 100, 1000);
    ledger.take(2, 100, 6000);
    // Over another stream nothing was sent before it broke, too.
    ledger.again(10, 100);
    var given = new ArrayList<Long>();
    ledger.giveUp(entry -> entry.sentAt > 1000, (number, entry) -> given.add(number));
    assertEquals(List.of(1L), given);
    var frames = ledger.again(10, 100);
    assertEquals(2, frames.get(0).firstNumber());
    // What was never sent is always safe.
    ledger.giveUp(entry -> false, (number, entry) -> given.add(number));
    assertEquals(List.of(1L, 2L, 3L), given);
    assertEquals(1, ledger.messages());
    assertEquals(4, ledger.take(10, 100, 9000).firstNumber());
  }

  @Test
  void whatIsSentAgainMayHaveBeenStoredBefore() {
    var ledger = new Ledger();
    IntStream.range(0, 2).forEach(n -> ledger.add(new Ledger.Entry(PublishRequest.getDefaultInstance(), 1)));
    ledger.take(1, 100, 1000);
    ledger.again(10, 100);
    ledger.take(1, 100, 2000);
    assertTrue(ledger.answer(1).inDoubt);
    assertFalse(ledger.answer(2).inDoubt);
    var refused = JetgateException.local(Status.Code.RESOURCE_EXHAUSTED, "STREAM_FULL", "");
    var known = refused.asOutcomeUnknown("p:1");
    assertTrue(known.isOutcomeUnknown());
    assertEquals("p:1", known.metadata().get("message_id"));
    assertEquals(refused, known.getCause());
  }

  @Test
  void aReasonThatIsYoungerThanTheClientIsJudgedByItsCode() {
    assertEquals(Retry.LATER, JetgateException.local(Status.Code.UNAVAILABLE, "OF_TOMORROW", "").retry());
    assertEquals(Retry.LATER, JetgateException.local(Status.Code.RESOURCE_EXHAUSTED, "OF_TOMORROW", "").retry());
    assertEquals(Retry.AFTER_READ, JetgateException.local(Status.Code.ABORTED, "OF_TOMORROW", "").retry());
    assertEquals(Retry.NEVER, JetgateException.local(Status.Code.NOT_FOUND, "OF_TOMORROW", "").retry());
    var item = JetgateException.of(ItemStatus.newBuilder().setCode(14).setReasonValue(9999).build());
    assertEquals("REASON_9999", item.reason());
    assertFalse(item.isForGood());
  }

  @Test
  void onlyWhatIsTooLargeIsExhaustedForGood() {
    var large = "gRPC message exceeds maximum size 4194304: 6291500";
    assertTrue(JetgateException.local(Status.Code.RESOURCE_EXHAUSTED, "", large).isForGood());
    assertFalse(JetgateException.local(Status.Code.RESOURCE_EXHAUSTED, "CALLER_LIMIT", large).isForGood());
    // A proxy between: HTTP/2's ENHANCE_YOUR_CALM, for example.
    assertFalse(JetgateException.local(Status.Code.RESOURCE_EXHAUSTED, "", "Bandwidth exhausted").isForGood());
  }

  @Test
  void laterAttemptsDoNotTakeBackThatAMessageMayBeStored() {
    var unavailable = JetgateException.local(Status.Code.UNAVAILABLE, "", "");
    var denied = JetgateException.local(Status.Code.PERMISSION_DENIED, "", "");
    try (var client = Client.connect("127.0.0.1:9")) {
      var several = new Attempts(client, Duration.ofMinutes(1), "id", true);
      several.failed(unavailable, true);
      several.failed(JetgateException.local(Status.Code.UNKNOWN, "", "channel closed"), true);
      several.failed(unavailable, false);
      var last = assertThrows(JetgateException.class, () -> several.failed(denied, true));
      assertTrue(last.isOutcomeUnknown());
      assertEquals("id", last.metadata().get("message_id"));
      // Of a batch, what the last attempt refuses may be stored by an earlier one.
      assertTrue(several.refused(denied, "m").isOutcomeUnknown());
      var once = new Attempts(client, Duration.ofMinutes(1), "", false);
      assertTrue(assertThrows(JetgateException.class, () -> once.failed(unavailable, true)).isOutcomeUnknown());
      var never = new Attempts(client, Duration.ZERO, "id", true);
      assertFalse(assertThrows(JetgateException.class, () -> never.failed(unavailable, false)).isOutcomeUnknown());
    }
  }
}
