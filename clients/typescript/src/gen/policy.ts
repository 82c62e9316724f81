export default {
  "loadBalancingConfig": [
    {
      "round_robin": {}
    }
  ],
  "retryThrottling": {
    "maxTokens": 10,
    "tokenRatio": 0.1
  },
  "methodConfig": [
    {
      "name": [
        {
          "service": "wecomgw.v1.AppChatService",
          "method": "GetChat"
        },
        {
          "service": "wecomgw.v1.AppChatService",
          "method": "UpdateChat"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "GetUser"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "ResolveUserId"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "ConvertToOpenId"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "ConvertToUserId"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "ListDepartments"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "GetDepartment"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "ListTags"
        },
        {
          "service": "wecomgw.v1.UserService",
          "method": "GetTag"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "BuildLoginUrl"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "Login"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "VerifySession"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "Logout"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "GetUserDetail"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "SignJsSdk"
        },
        {
          "service": "wecomgw.v1.AuthService",
          "method": "GetAccessToken"
        },
        {
          "service": "wecomgw.v1.BulkService",
          "method": "GetBulkJob"
        },
        {
          "service": "wecomgw.v1.BulkService",
          "method": "ListBulkJobs"
        },
        {
          "service": "wecomgw.v1.BulkService",
          "method": "CancelBulkJob"
        },
        {
          "service": "wecomgw.v1.BulkService",
          "method": "RecallBulkJob"
        },
        {
          "service": "wecomgw.v1.GatewayService",
          "method": "GetServerInfo"
        },
        {
          "service": "wecomgw.v1.GatewayService",
          "method": "ListApps"
        },
        {
          "service": "wecomgw.v1.GatewayService",
          "method": "DiagnoseApp"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "SendMessage"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "ValidateMessage"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "RecallMessage"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "UpdateTaskCard"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "GetSendStatistics"
        }
      ],
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": [
          "UNAVAILABLE"
        ]
      }
    },
    {
      "name": [
        {
          "service": "wecomgw.v1.AppChatService",
          "method": "CreateChat"
        },
        {
          "service": "wecomgw.v1.AppChatService",
          "method": "SendChatMessage"
        },
        {
          "service": "wecomgw.v1.GatewayService",
          "method": "CallApi"
        },
        {
          "service": "wecomgw.v1.MessageService",
          "method": "UpdateTemplateCard"
        }
      ]
    }
  ]
};
