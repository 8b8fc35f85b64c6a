// What the commands need of Temporal's client, as a module that can be loaded late: most commands need no server, and
// loading it takes longer than they do. (The package itself cannot: a bundled one has no names when it is imported
// late, since it is CommonJS.)
export { ScheduleAlreadyRunning, ScheduleNotFoundError, WorkflowNotFoundError } from '@temporalio/client';
