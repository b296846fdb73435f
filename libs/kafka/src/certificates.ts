import { X509Certificate } from 'node:crypto';
import type { KafkaConfig } from './settings.js';

/** The end of each certificate that brokers have shown, ms; of several brokers the one that ends first. */
const shown = new Map<string, number>();

/** @param notAfter as Node gives it, such as `Nov 28 05:00:00 2027 GMT` */
export function noteBrokerCertificate(broker: string, notAfter: string | undefined): void {
  const at = Date.parse(notAfter ?? '');
  if (!Number.isNaN(at)) shown.set(broker, at);
}

/**
 * When the certificates end that the way to Kafka needs, ms since the epoch: `kafka-client` and `kafka-ca` as they stand in their
 * files, `kafka-broker` as the brokers have shown them. Of several in one file the first that ends counts.
 */
export function certificateEnds({ ssl }: Pick<KafkaConfig, 'ssl'>): Record<string, number> {
  const ends: Record<string, number> = {};
  if (typeof ssl === 'object') {
    if (ssl.cert) ends['kafka-client'] = firstEnd(ssl.cert);
    if (ssl.ca) ends['kafka-ca'] = firstEnd(ssl.ca);
  }
  if (shown.size > 0) ends['kafka-broker'] = Math.min(...shown.values());
  return ends;
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** NaN where the text holds no certificate. */
function firstEnd(pem: string): number {
  const ends = (pem.match(PEM) ?? []).map((one) => Date.parse(new X509Certificate(one).validTo));
  return ends.length > 0 ? Math.min(...ends) : NaN;
}
