package jetgate.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.logging.Logger;
import jetgate.v1.AcknowledgeRequest;
import jetgate.v1.ItemStatus;
import jetgate.v1.SubscriberServiceGrpc;

/** Settles by calls of Acknowledge, which any gateway takes. */
final class Acknowledging {
  private static final Logger LOG = Logger.getLogger(Consumer.class.getName());

  private static final Duration ATTEMPT = Duration.ofSeconds(3);

  private final Client client;

  Acknowledging(Client client) {
    this.client = client;
  }

  /** Says all of them within this time. Returns how many were not taken: those messages may come again. */
  int all(List<Settlements.Word> words, Duration within) {
    var deadline = System.nanoTime() + within.toNanos();
    var failed = 0;
    JetgateException why = null;
    for (var begin = 0; begin < words.size(); begin += Settlements.MOST_ITEMS) {
      var part = words.subList(begin, Math.min(words.size(), begin + Settlements.MOST_ITEMS));
      try {
        for (var result : some(part, deadline)) {
          if (result.getCode() != 0) {
            failed++;
            why = JetgateException.of(result);
          }
        }
      } catch (JetgateException refused) {
        failed += part.size();
        why = refused;
      }
    }
    if (failed > 0) {
      LOG.warning(failed + " settlements were not taken, the messages may come again: " + why.getMessage());
    }
    return failed;
  }

  /** Says one, and throws what keeps JetStream from having it. */
  void one(Settlements.Word word) {
    var request = AcknowledgeRequest.newBuilder().addAcknowledgements(word.byToken()).build();
    var stub = client.stub(SubscriberServiceGrpc.newBlockingStub(client.channel()));
    var result = Client.call(() -> stub.acknowledge(request)).getResults(0);
    if (result.getCode() != 0) {
      throw JetgateException.of(result);
    }
  }

  private List<ItemStatus> some(List<Settlements.Word> words, long deadline) {
    var request = AcknowledgeRequest.newBuilder().addAllAcknowledgements(Settlements.byTokens(words)).build();
    var backoff = new Backoff();
    while (true) {
      // Time is left for another gateway where the one that is asked hangs.
      var left = Math.max(1, Math.min(ATTEMPT.toNanos(), deadline - System.nanoTime()));
      var stub = client.authorised(SubscriberServiceGrpc.newBlockingStub(client.channel()));
      try {
        return Client.call(() -> stub.withDeadlineAfter(left, TimeUnit.NANOSECONDS).acknowledge(request)).getResultsList();
      } catch (JetgateException failed) {
        if (failed.isForGood() || !backoff.pause(failed, deadline)) {
          throw failed;
        }
      }
    }
  }
}
