/**
 * Follows the notices of wardbridge on Kafka: an example to start from.
 *
 *     KAFKA_BROKERS=host:9092 node notices.js handled.jsonl
 *
 * What this consumer does with a notice stands in for what yours does: it appends a line to a file.
 * The line and the note that the notice is done are one write, so a crash between doing and
 * committing makes Kafka bring the notice again, and the file says that it is done already. Do the
 * same with your database: the id of the notice and its effect in one transaction.
 */
import { constants, openSync, readFileSync, writeSync, fsyncSync, ftruncateSync } from 'node:fs'
import kafkajs from 'kafkajs'

/** The notices that are done, in a file; a line that a crash cut short is not done. */
class Handled {
  #ids = new Set() // forget those older than the topic keeps, 90 days
  #last = new Map() // by ward
  #file

  constructor(path) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND)
    const content = readFileSync(this.#file)
    const whole = content.subarray(0, content.lastIndexOf('\n') + 1)
    for (const line of whole.toString().split('\n').slice(0, -1)) this.#remember(JSON.parse(line))
    ftruncateSync(this.#file, whole.length)
  }

  /** Do what a notice asks for, once. */
  take({ id, data: { ward, sequence, kind } }) {
    if (this.#ids.has(id)) return console.error('repeated', id)
    this.#lookForGap(ward, sequence)
    writeSync(this.#file, JSON.stringify({ id, ward, sequence, kind }) + '\n')
    fsyncSync(this.#file)
    this.#remember({ id, ward, sequence })
  }

  /** A ward's notices are numbered 1, 2, 3, …; after a gap read its list again over HTTP. */
  #lookForGap(ward, sequence) {
    const expected = (this.#last.get(ward) ?? sequence - 1) + 1
    if (sequence !== expected) console.error(`gap ${ward}: ${sequence} instead of ${expected}`)
  }

  #remember({ id, ward, sequence }) {
    this.#ids.add(id)
    this.#last.set(ward, sequence)
  }
}

/** The CloudEvent of a message in either mode of the Kafka protocol binding. */
function eventOf({ headers, value }) {
  const body = JSON.parse(value)
  const isStructured = String(headers['content-type'] ?? '').toLowerCase().startsWith('application/cloudevents')
  return isStructured ? body : { id: String(headers.ce_id), data: body }
}

const handled = new Handled(process.argv[2])
const kafka = new kafkajs.Kafka({ clientId: 'example-node', brokers: process.env.KAFKA_BROKERS.split(',') })
const consumer = kafka.consumer({
  groupId: process.env.GROUP ?? 'example-node',
  readUncommitted: false // what a router gave up half way is never seen
})
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => consumer.disconnect())

await consumer.connect()
await consumer.subscribe({ topics: [process.env.TOPIC ?? 'wardbridge.designations'], fromBeginning: true })
await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: false,
  eachBatch: async ({ batch, resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary }) => {
    for (const message of batch.messages) {
      handled.take(eventOf(message))
      resolveOffset(message.offset)
    }
    await commitOffsetsIfNecessary(uncommittedOffsets()) // after all of it is done, never before
  }
})
