import http2 from 'node:http2';

/** Milliseconds that the server has for an answer. */
const answerMs = 2000;

const method = '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace';

/** `DescribeNamespaceRequest` of temporal/api/workflowservice/v1/request_response.proto: its field 1 is the name. */
function requestFor(namespace: string): Buffer {
  const name = Buffer.from(namespace);
  const message = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  // Before each message of gRPC: whether it is compressed, and its length.
  const before = Buffer.alloc(5);
  before.writeUInt32BE(message.length, 1);
  return Buffer.concat([before, message]);
}

/**
 * Whether a server on this machine serves a namespace. One call by hand, since Temporal's client takes longer to load
 * than the server to start.
 *
 * @param namespace of at most 127 bytes.
 */
export function namespaceAnswers(port: number, namespace: string): Promise<boolean> {
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const end = (answers: boolean) => {
      clearTimeout(late);
      session.destroy();
      resolve(answers);
    };
    const late = setTimeout(() => end(false), answerMs);
    session.once('error', () => end(false));
    session.once('close', () => end(false));
    const call = session.request({
      ...{ ':method': 'POST', ':path': method },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    // The status comes at the end, or in the headers when there is nothing else; it is 0 for success.
    const look = (headers: http2.IncomingHttpHeaders) => {
      const { 'grpc-status': status } = headers;
      if (status !== undefined) end(status === '0');
    };
    call.on('response', look).on('trailers', look);
    call.on('error', () => end(false));
    call.resume();
    call.end(requestFor(namespace));
  });
}
