import { describeEventBus } from '../event-bus.contract.js';

describeEventBus('postgres-log', () => ({}));
