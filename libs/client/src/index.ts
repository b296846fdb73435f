export {
  authenticate,
  AuthenticationUnavailable,
  type AuthenticateOptions,
  forget,
  type Identity,
  NotAuthenticated,
} from './authenticate.js';
export { admit, expressGuard, fastifyGuard, nestGuard, NotAdmitted } from './guards.js';
export {
  type KafkaConsumerLike,
  type KafkaLike,
  kafkaSource,
  type KafkaSourceOptions,
  stateRecords,
} from './kafka-source.js';
export type { Provider } from './provider.js';
export { createRescind, type Rescind, type RescindOptions } from './rescind.js';
export type { Proof, Sink, Source, SourceState } from './source.js';
export { streamSource, type StreamSourceOptions } from './stream-source.js';
export {
  type Claims,
  type Holder,
  RescindUnknown,
  type Revocation,
  type UnknownCode,
  type Verdict,
} from './verdict.js';
