import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Confluent's Parallel Consumer with the work of the other contenders: a 10 ms task, 500 in flight, ordered by key. */
public final class ParallelConsumerWorker {
    private static final int CONCURRENCY = 500;
    private static final long HANDLER_MS = 10;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String responses;
    private final byte[] responseHeader;
    private final Schema responseSchema;
    private final Schema statusSchema;
    private final GenericDatumReader<GenericRecord> reader;
    private final GenericDatumWriter<GenericRecord> writer;

    private ParallelConsumerWorker(JsonNode road) {
        responses = road.get("responses").asText();
        int id = road.get("response_id").asInt();
        responseHeader = ByteBuffer.allocate(5).put((byte) 0).putInt(id).array();
        responseSchema = new Schema.Parser().parse(road.get("response_schema").asText());
        statusSchema = responseSchema.getField("status").schema();
        reader = new GenericDatumReader<>(new Schema.Parser().parse(road.get("request_schema").asText()));
        writer = new GenericDatumWriter<>(responseSchema);
    }

    public static void main(String[] arguments) throws IOException {
        JsonNode road = JSON.readTree(arguments[0]);
        String servers = road.get("servers").asText();
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers", servers,
                "group.id", road.get("group").asText(),
                "auto.offset.reset", "earliest",
                "enable.auto.commit", "false"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", servers, "compression.type", "lz4"),
            new ByteArraySerializer(),
            new ByteArraySerializer());
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(
            ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(consumer)
                .producer(producer)
                .ordering(ProcessingOrder.KEY)
                .maxConcurrency(CONCURRENCY)
                .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
                .build());
        ParallelConsumerWorker worker = new ParallelConsumerWorker(road);
        processor.subscribe(List.of(road.get("requests").asText()));
        processor.pollAndProduce(context -> worker.answer(context.getSingleConsumerRecord()));
    }

    private ProducerRecord<byte[], byte[]> answer(ConsumerRecord<byte[], byte[]> record) {
        try {
            GenericRecord request = decode(record.value());
            Thread.sleep(HANDLER_MS);
            return new ProducerRecord<>(responses, record.partition(), record.key(), encode(request));
        } catch (IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private GenericRecord decode(byte[] value) throws IOException {
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        return reader.read(null, decoder);
    }

    private byte[] encode(GenericRecord request) throws IOException {
        JsonNode payload = JSON.readTree(request.get("payload").toString());
        JsonNode result = JSON.createObjectNode()
            .put("length", payload.get("text").asText().length())
            .set("number", payload.get("number"));
        GenericRecord response = new GenericData.Record(responseSchema);
        response.put("type", "TaskResponse");
        response.put("task_id", request.get("task_id"));
        response.put("agent_id", request.get("agent_id"));
        response.put("status", new GenericData.EnumSymbol(statusSchema, "completed"));
        response.put("result", result.toString());
        response.put("attempt", 1);
        response.put("started_at", System.currentTimeMillis());
        ByteArrayOutputStream out = new ByteArrayOutputStream(256);
        out.write(responseHeader);
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        writer.write(response, encoder);
        encoder.flush();
        return out.toByteArray();
    }
}
