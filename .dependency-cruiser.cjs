/** The invariants of ARCHITECTURE.md, as rules. `npm run arch` checks them. */
const business = '^src/(practices|patients|appointments|payments|reminders|partners)/';
const tests = '\\.(spec|contract)\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'business-says-events-only',
      comment: '1. Business modules know the catalogue and the outbox, not how events travel.',
      severity: 'error',
      from: { path: business, pathNot: tests },
      to: { path: '^src/events/', pathNot: '^src/events/(catalog|outbox)/' },
    },
    {
      name: 'listeners-know-no-business',
      comment:
        '2. Subscriptions and real-time channels carry any event and know no module that makes one.',
      severity: 'error',
      from: { path: '^src/(subscriptions|realtime|events)/', pathNot: tests },
      to: {
        path: '^src/(practices|patients|appointments|payments|reminders|identities|partners)/',
      },
    },
    {
      name: 'kafka-in-one-place',
      comment: '3. Only the adapter speaks to Kafka.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/events/bus/kafka/', tests] },
      to: { path: 'node_modules/kafkajs' },
    },
    {
      name: 'one-way-out',
      comment: '4. Only the webhook client opens outbound connections.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/subscriptions/deliveries/(webhook-|checked-connector|outbound-)',
          '^src/database/embedded',
          tests,
        ],
      },
      to: {
        path: [
          'node_modules/(undici|axios|got|node-fetch)/',
          '^(node:)?(http2|https|tls|net|dgram|dns)$',
        ],
      },
    },
    {
      name: 'pure-is-pure',
      comment:
        '5. Rules, signing, retry, filters and the projection do no I/O: they may use types and pure libraries only.',
      severity: 'error',
      from: {
        path: [
          '\\.rules\\.ts$',
          '^src/subscriptions/(signing|retry|filter)/',
          '^src/events/catalog/',
        ],
        pathNot: tests,
      },
      to: {
        path: [
          '^src/(database|platform/access|subscriptions/deliveries|events/(log|feed|outbox))/',
          'node_modules/(pg|typeorm|kafkajs|undici)/',
          '^(node:)?(fs|fs/promises|net|http|https|child_process|timers|timers/promises)$',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'commands-stand-outside',
      comment: 'Commands work on the hub’s database past any hub; the hub knows none of them.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/commands/', tests] },
      to: { path: '^src/commands/' },
    },
    {
      name: 'no-cycles',
      comment: 'A cycle of files means that neither can be read first.',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { path: ['^test/', tests] },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.json'],
      conditionNames: ['import', 'require', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
